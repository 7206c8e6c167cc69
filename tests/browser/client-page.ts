// What the page under test runs: a link, and a reader that counts what is lost and what comes twice.
import { createClient, createLink, type LinkOptions, type StreamHandle } from "@lastmile/client";
import { TopicService } from "../../client-ts/client/tests/golden/lastmile/v1/topic.ts";
import { UserService } from "../../client-ts/client/tests/golden/lastmile/v1/user.ts";

interface Lab {
  link?: ReturnType<typeof createLink>;
  handle?: StreamHandle;
  states: string[];
  gaps: string[];
  open(options: LinkOptions): void;
  read(topic: string): void;
  users(): Promise<string[]>;
}

const lab: Lab = {
  states: [],
  gaps: [],
  open(options) {
    lab.link = createLink(options);
  },
  read(topic) {
    lab.handle = createClient(TopicService, lab.link!)
      .subscribe({ topic })
      .subscribe({
        // In the page's storage, so that what came before a reload counts too.
        event: ({ data }, { name }) => void (sessionStorage.numbers = `${sessionStorage.numbers ?? ""}${name}=${data as number},`),
        gap: ({ reason }) => lab.gaps.push(reason),
        status: ({ state, transport }) => lab.states.push(`${state} ${transport}`),
      });
  },
  async users() {
    const { users } = await createClient(UserService, lab.link!).listUsers();
    return users.map(({ name }) => name);
  },
};
Object.assign(globalThis, { lab });
