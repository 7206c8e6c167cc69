// A page whose clients speak protobuf, made from what the edge says of itself.
import { createFileRegistry, fromBinary, toJson } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { createLink, type StreamCall } from "@lastmile/client";
import { createBinaryClient } from "@lastmile/client/binary";

type Dynamic = { [name: string]: (input: object) => unknown };

/** Reads a stream of prices until it has so many, while calls are made; gives what came. */
async function read(baseUrl: string, transports: ["websocket"] | ["sse"] | ["poll"], count: number): Promise<object> {
  const descriptors = await (await fetch(`${baseUrl}/.well-known/lastmile/descriptors`)).arrayBuffer();
  const set = fromBinary(FileDescriptorSetSchema, new Uint8Array(descriptors));
  // Python's reflection leaves them out; generated code has them.
  for (const { field } of set.file.flatMap((file) => file.messageType)) for (const each of field) each.jsonName ||= each.name;
  const registry = createFileRegistry(set);
  const link = createLink({ baseUrl, transports });
  const stock = createBinaryClient(registry.getService("acme.stock.v1.StockService")!, link, { registry }) as unknown as Dynamic;
  const amounts: number[] = [];
  let nut: unknown;
  for await (const { amount } of stock.watchPrices!({ sku: "bolt" }) as StreamCall<{ amount: number }>) {
    if (amounts.push(amount) === 3) nut = await stock.getItem!({ sku: "nut/m8" });
    if (amounts.length === count) break;
  }
  const { quantity } = nut as { quantity: bigint };
  const missing = await (stock.getItem!({ sku: "none" }) as Promise<unknown>).catch((error: { code: string }) => error.code);
  link.close();
  return { amounts, quantity: [typeof quantity, `${quantity}`], missing, json: toJson(registry.getMessage("acme.stock.v1.Item")!, nut as never) };
}
Object.assign(globalThis, { read });
