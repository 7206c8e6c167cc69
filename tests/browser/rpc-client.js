// Calls lastmile by the real Connect clients; runs in Node and in a page.
import { createFileRegistry, fromBinary } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createConnectTransport, createGrpcWebTransport } from "@connectrpc/connect-web";

const transports = {
  "connect json": (options) => createConnectTransport(options),
  "connect binary": (options) => createConnectTransport({ ...options, useBinaryFormat: true }),
  "connect get": (options) => createConnectTransport({ ...options, useHttpGet: true }),
  "grpc-web": (options) => createGrpcWebTransport(options),
};

export const names = Object.keys(transports);

/** What one transport makes of the same calls; every value is plain JSON, so that a page can hand it over. */
export async function exercise(baseUrl, name) {
  const registry = await descriptors(baseUrl);
  const methods = new Set();
  const transport = transports[name]({
    baseUrl,
    fetch: (url, init) => {
      methods.add(init.method);
      return fetch(url, init);
    },
  });
  const client = (service) => createClient(registry.getService(`lastmile.v1.${service}`), transport);
  const auth = client("AuthService");
  const topics = client("TopicService");
  const { accessToken } = await auth.login({ username: "bob", password: "lastmile-dev" });
  const headers = { authorization: `Bearer ${accessToken}` };
  return {
    identity: (await auth.getIdentity({}, { headers })).role,
    topics: (await topics.listTopics({})).topics.map((topic) => topic.name).sort(),
    event: await follow(topics, headers),
    badType: await failure(topics.publishEvent({ topic: "news", type: "lm-mine" }, { headers })),
    anonymous: await failure(auth.getIdentity({})),
    unknownTopic: await failure(topics.getTopic({ name: "nowhere" }, { headers })),
    unknownStream: await failure(first(topics.subscribe({ topic: "nowhere" }))),
    lateStream: (await failure(last(topics.subscribe({ topic: "news" }, { timeoutMs: 300 })))).replace(byTheEdge, ""),
    methods: [...methods].sort(),
  };
}

// Both ends know the time limit, and either may be the first to say that it is over.
const byTheEdge = / google\.rpc\.ErrorInfo$/;

async function descriptors(baseUrl) {
  const response = await fetch(`${baseUrl}/.well-known/lastmile/descriptors`);
  return createFileRegistry(fromBinary(FileDescriptorSetSchema, new Uint8Array(await response.arrayBuffer())));
}

/** Publishes once the stream has told its position, and gives what came of it; then leaves. */
async function follow(topics, headers) {
  const leaving = new AbortController();
  let type;
  try {
    for await (const message of topics.subscribe({ topic: "news" }, { signal: leaving.signal })) {
      if (message.position && !type) {
        type = "by:connect";
        await topics.publishEvent({ topic: "news", type, body: { case: "data", value: text("hello") } }, { headers });
      } else if (message.type === type) {
        leaving.abort();
        return { publisher: message.publisher, data: message.body.value.kind.value };
      }
    }
  } catch (error) {
    return { failed: String(error) };
  }
}

function text(value) {
  return { kind: { case: "stringValue", value } };
}

async function failure(call) {
  try {
    await call;
    return "no failure";
  } catch (error) {
    const { code, details } = ConnectError.from(error);
    // What a client can read without knowing the types of details.
    const types = details.map((detail) => detail.type ?? detail.desc?.typeName);
    return [Code[code], ...types].join(" ");
  }
}

async function first(stream) {
  for await (const message of stream) return message;
}

async function last(stream) {
  let message;
  for await (message of stream);
  return message;
}
