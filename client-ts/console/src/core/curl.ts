/** The shell line that does what the page does. */
import type { Topic } from "../api/lastmile/v1/topic.ts";
import type { Filled } from "./calls.ts";
import { sample, type Operation, type Schema } from "./openapi.ts";

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
export function curlTopic(origin: string, topic: Pick<Topic, "name" | "rules">, cursor = ""): string {
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

function topicPath(topic: string): string {
  return `/api/v1/topics/${encodeURIComponent(topic)}`;
}

/** One word for a POSIX shell, quoted only when it has to be. */
export function quote(word: string): string {
  return /^[\w./:@%+=,-]+$/.test(word) ? word : `'${word.replaceAll("'", String.raw`'\''`)}'`;
}

/** Calls any operation of the reference: with what was filled in, and samples where the caller has to choose yet. */
export function curlOperation(origin: string, operation: Operation, schemas: Record<string, Schema>, filled?: Filled): string {
  const { method, parameters, stream: streams, open } = operation;
  const path = operation.path.replaceAll(/\{([^}]+)\}/g, (_, name: string) => {
    const given = filled?.parameters[name];
    if (given) return encodeURIComponent(given);
    const parameter = parameters.find((one) => one.in === "path" && one.name === name);
    const value = parameter?.schema && sample(parameter.schema, schemas);
    return typeof value === "number" ? String(value) : name.toUpperCase().replaceAll(".", "-");
  });
  const asked = parameters.filter(({ name, in: where }) => where === "query" && filled?.parameters[name]);
  const query = asked.map(({ name }) => `${name}=${encodeURIComponent(filled?.parameters[name] ?? "")}`).join("&");
  const words = ["curl"];
  if (streams) words.push("-N");
  if (!open) words.push("-b", JAR);
  if (streams) words.push("-H", quote("Accept: text/event-stream"));
  const json = operation.body.find((media) => media.type === "application/json")?.schema;
  // --json makes it a POST by itself.
  if (method !== (json ? "POST" : "GET")) words.push("-X", method);
  if (json) words.push("--json", quote(JSON.stringify(filled ? filled.body : sample(json, schemas))));
  else if (operation.body.length > 0) words.push("--data-binary", "@FILE");
  return [...words, quote(origin + path + (query && `?${query}`))].join(" ");
}
