/** An edge for tests, without sockets: it answers calls, emits events, and fails in all the ways that a real one can. */
export { createFakeEdge, type FakeEdge, type FakeRequest } from "./fake_edge.ts";
