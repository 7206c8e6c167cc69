// What the page under test runs: a link, and a reader that counts what is lost and what comes twice.
import { type BidiCall, createClient, createLink, type LinkOptions, type StreamHandle } from "@lastmile/client";
import { AuthService } from "../../client-ts/client/tests/golden/lastmile/v1/auth.ts";
import { DocumentService, type SyncDocumentRequest, type SyncDocumentResponse } from "../../client-ts/client/tests/golden/lastmile/v1/document.ts";
import { TopicService } from "../../client-ts/client/tests/golden/lastmile/v1/topic.ts";
import { UserService } from "../../client-ts/client/tests/golden/lastmile/v1/user.ts";

let call: BidiCall<SyncDocumentRequest, SyncDocumentResponse> | undefined;

interface Tokens {
  access: string;
  refresh: string;
}

interface Lab {
  link?: ReturnType<typeof createLink>;
  handle?: StreamHandle;
  states: string[];
  gaps: string[];
  /** With tokens, they are renewed when they are over; `shared`: in one worker for all tabs. */
  open(options: LinkOptions, more?: { tokens?: Tokens; shared?: boolean }): void;
  refreshes: number;
  /** Why the stream failed. */
  error?: { code: string; message: string; reason: string };
  /** How long after the beginning of the page its first event came, in milliseconds. */
  firstMs?: number;
  read(topic: string, last?: number): void;
  users(): Promise<string[]>;
  /** A call that is refused. */
  fail(): Promise<unknown>;
  /** Opens a call in both directions on a document. */
  talk(id: string): void;
  /** Commits a number there. */
  say(number: number): Promise<void>;
  /** Ends that call. */
  finish(): Promise<void>;
  /** The numbers whose changes were heard, and how many commits were answered. */
  heard: number[];
  answered: number;
}

const lab: Lab = {
  states: [],
  heard: [],
  answered: 0,
  gaps: [],
  refreshes: 0,
  open(options, { tokens, shared } = {}) {
    const rotating: LinkOptions = tokens
      ? { token: () => tokens.access, refresh: async () => void Object.assign(tokens, await renew(tokens)) }
      : {};
    const worker = shared ? { worker: () => new SharedWorker("/worker.js", { type: "module" }) } : {};
    lab.link = createLink({ ...options, ...rotating, ...worker });
  },
  read(topic, last = 0) {
    lab.handle = createClient(TopicService, lab.link!)
      .subscribe({ topic, last })
      .subscribe({
        // In the page's storage, so that what came before a reload counts too.
        event: ({ data }, { name }) => {
          lab.firstMs ??= performance.now();
          sessionStorage.numbers = `${sessionStorage.numbers ?? ""}${name}=${data as number},`;
        },
        gap: ({ reason }) => lab.gaps.push(reason),
        error: ({ code, message, reason }) => (lab.error = { code, message, reason }),
        status: ({ state, transport }) => lab.states.push(`${state} ${transport}`),
      });
  },
  async users() {
    const { users } = await createClient(UserService, lab.link!).listUsers();
    return users.map(({ name }) => name);
  },
  fail: () => createClient(UserService, lab.link!).createUser({ user: { name: "", username: "not a name!" } }),
  talk(id) {
    call = createClient(DocumentService, lab.link!).syncDocument();
    void call.send({ watch: { id } });
    void (async () => {
      for await (const { change, committed } of call!) {
        if (committed) lab.answered += 1;
        for (const { opId } of change?.documentChanged?.ops ?? []) lab.heard.push(Number(opId));
      }
    })();
  },
  finish: () => call!.finish(),
  say: (number) => call!.send({ commit: { baseVersion: 1, ops: [{ opId: `${number}`, path: `/n${number}`, set: number }] } }),
};
async function renew({ refresh: refreshToken }: Tokens): Promise<Tokens> {
  lab.refreshes += 1;
  const answer = await createClient(AuthService, lab.link!).refresh({ refreshToken });
  return { access: answer.accessToken, refresh: answer.refreshToken };
}

Object.assign(globalThis, { lab });
