import { expect, test } from "vitest";
import { curlLogin, curlPublish, curlTopic, quote } from "./curl.ts";

test.each([
  ["plain", "plain"],
  ["http://h:1/a?b=c", "'http://h:1/a?b=c'"],
  ["it's y's", String.raw`'it'\''s y'\''s'`],
  ["$(rm)", "'$(rm)'"],
  ["", "''"],
])("quotes %j", (word, quoted) => expect(quote(word)).toBe(quoted));

const open = { name: "ticks", description: "", rules: { publish: [], subscribe: ["anyone"] } };
const closed = { name: "staff", description: "", rules: { publish: [], subscribe: ["role:admin"] } };
const line = "curl -N -H 'Accept: text/event-stream'";
test.each([
  [
    curlLogin("http://h", "al", "p'w"),
    String.raw`curl -c lastmile.cookies --json '{"username":"al","password":"p'\''w"}' http://h/api/v1/auth/login`,
  ],
  [curlTopic("http://h", open), `${line} http://h/api/v1/topics/ticks/events`],
  [curlTopic("http://h", open, "a~b"), `${line} 'http://h/api/v1/topics/ticks/events?cursor=a~b'`],
  [
    curlTopic("http://h", closed),
    "curl -N -b lastmile.cookies -H 'Accept: text/event-stream' http://h/api/v1/topics/staff/events",
  ],
  [
    curlPublish("http://h", "news", "note", 1),
    `curl -b lastmile.cookies --json '{"type":"note","data":1}' http://h/api/v1/topics/news/events`,
  ],
])("%s", (made, expected) => expect(made).toBe(expected));
