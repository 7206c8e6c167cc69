/** Events by name, wherever they come from: streams of the edge, or the page itself. */
import type { StreamCall } from "./call.ts";
import type { Link } from "./link.ts";
import type { Method } from "./method.ts";
import type { Gap } from "./source.ts";
import type { StreamHandle } from "./stream.ts";
import type { EventMap, JsonValue } from "./values.ts";

/** The part of a name before its colon. */
type Domain<Name> = Name extends `${infer First}:${string}` ? First : never;

/** A name, all of a domain (`user:*`), or all there are. */
export type Pattern<Events> = keyof Events | `${Domain<keyof Events>}:*` | "*";

/** Which names a pattern stands for. */
type Matching<Events, P> = P extends "*"
  ? keyof Events
  : P extends `${infer First}:*`
    ? Extract<keyof Events, `${First}:${string}`>
    : Extract<keyof Events, P>;

/** What a listener gets: `event.name` tells which `event.data` it has. */
export type BusEvent<Events, P = "*"> = {
  [Name in Matching<Events, P>]: { readonly name: Name; readonly data: Events[Name]; readonly cursor: string };
}[Matching<Events, P>];

export interface Bus<Events> {
  /** Calls back for every event that matches, until the result is called. */
  on<P extends Pattern<Events>>(pattern: P, listener: (event: BusEvent<Events, P>) => void): () => void;
  /** Calls back once. */
  once<P extends Pattern<Events>>(pattern: P, listener: (event: BusEvent<Events, P>) => void): () => void;
  /** Ends what `on` or `once` began with this listener; without one, everything with this pattern. */
  off<P extends Pattern<Events>>(pattern: P, listener?: (event: BusEvent<Events, P>) => void): void;
  /** Tells the listeners of this page, and nobody else. */
  emit<Name extends keyof Events>(name: Name, data: Events[Name]): void;
  /** Publishes to a topic; whoever reads it, this page too, gets the event from there. */
  publish<Name extends keyof Events & string>(topic: string, name: Name, data: Events[Name]): Promise<void>;
  /** Tells the events of a stream; `gap` hears when some may be missing. */
  follow<Message>(stream: StreamCall<Message>, gap: (gap: Gap) => void): StreamHandle;
}

/** How events are published: `lastmile.v1.TopicService` unless said otherwise. */
export interface BusOptions {
  publish?: (topic: string, type: string, data: unknown) => Promise<unknown>;
}

type Listener = (event: never) => void;

/** A bus for the events that generated code declares; `createBus<MyEvents>(link)` for others. */
export function createBus<Events = EventMap>(link: Link, options: BusOptions = {}): Bus<Events> {
  // Of each pattern the listeners, and whether they want to be called once.
  const listeners = new Map<string, Map<Listener, boolean>>();
  const publish = options.publish ?? ((topic, type, data) => publishEvent(link, topic, type, data as JsonValue));

  function tell(name: string, data: unknown, cursor = ""): void {
    const event = { name, data, cursor } as never;
    for (const pattern of [name, `${name.split(":")[0]}:*`, "*"]) {
      for (const [listener, isOnce] of listeners.get(pattern) ?? []) {
        if (isOnce) listeners.get(pattern)?.delete(listener);
        listener(event);
      }
    }
  }

  function add(pattern: PropertyKey, listener: Listener, isOnce: boolean): () => void {
    const key = String(pattern);
    listeners.set(key, (listeners.get(key) ?? new Map<Listener, boolean>()).set(listener, isOnce));
    return () => void listeners.get(key)?.delete(listener);
  }

  return {
    on: (pattern, listener) => add(pattern, listener, false),
    once: (pattern, listener) => add(pattern, listener, true),
    off(pattern, listener) {
      if (listener) listeners.get(String(pattern))?.delete(listener as Listener);
      else listeners.delete(String(pattern));
    },
    emit: (name, data) => tell(String(name), data),
    publish: async (topic, name, data) => void (await publish(topic, name, data)),
    follow: (stream, gap) =>
      stream.subscribe({ gap, event: (message, { name, cursor }) => tell(name, content(stream.method, message, name), cursor) }),
  };
}

/** What an event carries: the member of the oneof that names it, or for a topic's event what was published. */
function content({ stream }: Method, message: unknown, name: string): unknown {
  const fields = message as { [member: string]: unknown };
  const rule = stream?.event;
  if (typeof rule === "object") return fields[Object.keys(rule).find((member) => rule[member] === name) ?? ""] ?? message;
  return fields.data ?? fields.message ?? message;
}

const PUBLISH = { name: "lastmile.v1.TopicService/PublishEvent", kind: "unary" } as const;

function publishEvent({ internals }: Link, topic: string, type: string, data: JsonValue): Promise<unknown> {
  return internals.call(PUBLISH, { topic, type, data });
}
