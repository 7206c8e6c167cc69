// What must not compile. Each line below an expected error fails the type check when it compiles after all.
import { type Bus, createBus, createClient, createLink, type Int64, type Timestamp } from "@lastmile/client";
import { expect, test } from "vitest";
import { type Dish, KitchenService } from "../golden/acme/v1/kitchen.ts";
import { UserService } from "../golden/lastmile/v1/user.ts";

test("the types say what is wrong before anything runs", () => expect(mistakes).toBeTypeOf("function"));

async function mistakes(dish: Dish, bus: Bus<{ "a:b": number; "a:c": string; plain: boolean }>): Promise<void> {
  const link = createLink();
  const users = createClient(UserService, link);
  const kitchen = createClient(KitchenService, link);

  const { users: list } = await users.listUsers({ pageSize: 3 });
  const name: string = list[0]!.name;
  await users.listUsers();
  // @ts-expect-error a field that is not there
  await users.listUsers({ pageSizes: 3 });
  // @ts-expect-error a field of another type
  await users.getUser({ id: "1" });
  // @ts-expect-error an answer has no such field
  void list[0]!.nickname;
  // @ts-expect-error a message that may be absent
  void list[0]!.createTime.length;

  users.watchUsers().subscribe({ event: () => {}, gap: () => {} });
  // @ts-expect-error a gap must not be overlooked
  users.watchUsers().subscribe({ event: () => {} });
  for await (const change of users.watchUsers()) {
    if (change.userCreated) {
      const created: string | undefined = change.userCreated.user?.name;
      // @ts-expect-error only one member of a oneof is there
      void change.userDeleted.id;
      void created;
    }
  }

  const calories: Int64 = dish.calories;
  const bytes: string = dish.picture;
  // @ts-expect-error a text is no moment
  const moment: Timestamp = "2026-01-01";
  // @ts-expect-error a 64-bit integer is no number
  const number: number = dish.calories;
  // @ts-expect-error no such member of the enum
  if (dish.temperature === "TEMPERATURE_COLD") return;
  await kitchen.cook({ calories: 3n, cookTime: new Date(), temperature: "TEMPERATURE_HOT", amount: 2 });
  // @ts-expect-error two members of a oneof
  await kitchen.cook({ amount: 2, free: true });
  await kitchen.wash([{ name: "plate" }]);
  // @ts-expect-error messages, and not one message
  await kitchen.wash({ name: "plate" });

  bus.on("a:*", (event) => {
    if (event.name === "a:b") event.data.toFixed();
    else event.data.trim();
    // @ts-expect-error not of this domain
    if (event.name === "plain") return;
  });
  // @ts-expect-error no such event
  bus.on("a:d", () => {});
  // @ts-expect-error no such domain
  bus.on("plain:*", () => {});
  // @ts-expect-error another content
  bus.emit("a:b", "text");
  createBus(link).on("user:delete", ({ data }) => data.id);
  // @ts-expect-error nothing declares it
  createBus(link).on("user:rename", () => {});
  void [name, calories, bytes, moment, number];
}
