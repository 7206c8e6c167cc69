/** The shell line that does what the page does. */
import { topicPath } from "./api.ts";
import type { Topic } from "./types.ts";

const JAR = "lastmile.cookies";

export function curlLogin(origin: string, username: string, password: string): string {
  const body = JSON.stringify({ username, password });
  return `curl -c ${JAR} --json ${quote(body)} ${quote(`${origin}/api/v1/auth/login`)}`;
}

export function curlUsers(origin: string): string {
  return `curl -b ${JAR} ${quote(`${origin}/api/v1/users`)}`;
}

export function curlWatchUsers(origin: string, cursor: string): string {
  return `curl -N -b ${JAR} ${stream(`${origin}/api/v1/users:watch`, cursor)}`;
}

/** A topic that anyone may read needs no cookie. */
export function curlTopic(origin: string, topic: Topic, cursor = ""): string {
  const identity = topic.rules?.subscribe.includes("anyone") ? "" : `-b ${JAR} `;
  return `curl -N ${identity}${stream(`${origin}${topicPath(topic.name)}/events`, cursor)}`;
}

export function curlPublish(origin: string, topic: string, type: string, data: unknown): string {
  return `curl -b ${JAR} --json ${quote(JSON.stringify({ type, data }))} ${quote(`${origin}${topicPath(topic)}/events`)}`;
}

function stream(url: string, cursor: string): string {
  const full = cursor ? `${url}?cursor=${encodeURIComponent(cursor)}` : url;
  return `-H 'Accept: text/event-stream' ${quote(full)}`;
}

/** One word for a POSIX shell, quoted only when it has to be. */
export function quote(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}
