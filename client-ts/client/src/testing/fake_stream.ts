/** A log of messages, and those who read it by server-sent events or long polls. */

interface Reader {
  send(text: string): void;
  close(): void;
  cut(): void;
}

interface Entry {
  cursor: string;
  message: unknown;
  event: string;
}

export class FakeStream {
  private readonly open = new Set<Reader>();
  private log: Entry[] = [];
  private emitted = 0;
  /** Cursors before this one are forgotten. */
  private oldest = 0;
  private readonly bells = new Set<() => void>();

  get readers(): number {
    return this.open.size;
  }

  emit(message: unknown, event: string): void {
    const entry = { cursor: `c${(this.emitted += 1)}`, message, event };
    this.log.push(entry);
    for (const reader of this.open) reader.send(block(entry));
    for (const ring of this.bells) ring();
    this.bells.clear();
  }

  forget(): void {
    this.log = [];
    this.oldest = this.emitted;
  }

  end({ problem, reason, retryMs }: { problem?: object; reason?: string; retryMs?: number } = {}): void {
    const data = JSON.stringify(problem ?? { reason });
    const name = problem ? "lm-error" : reason ? "lm-close" : "lm-end";
    for (const reader of this.open) {
      reader.send(`${retryMs === undefined ? "" : `retry: ${retryMs}\n\n`}event: ${name}\ndata: ${data}\n\n`);
      reader.close();
    }
  }

  cut(): void {
    for (const reader of this.open) reader.cut();
  }

  sse(cursor: string | null, signal: AbortSignal | null | undefined): Response {
    const [entries, opening] = this.after(cursor);
    const encoder = new TextEncoder();
    const body = new ReadableStream<Uint8Array>({
      start: (controller) => {
        const leave = (): void => {
          this.open.delete(reader);
          signal?.removeEventListener("abort", reader.cut);
        };
        const reader: Reader = {
          send: (text) => controller.enqueue(encoder.encode(text)),
          close: () => (leave(), controller.close()),
          cut: () => (leave(), controller.error(new TypeError("network error"))),
        };
        signal?.addEventListener("abort", reader.cut);
        this.open.add(reader);
        // Tests with clocks of their own do not wait for heartbeats.
        reader.send(`event: lm-open\ndata: ${JSON.stringify({ heartbeatMs: 3_600_000, streams: [opening] })}\n\n`);
        if (entries.length === 0) reader.send(`id: c${this.emitted}\n\n`);
        for (const entry of entries) reader.send(block(entry));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  async poll(cursor: string | null, prefer: string, signal: AbortSignal | null | undefined): Promise<Response> {
    const isPatient = prefer !== "wait=0";
    if (isPatient && this.after(cursor)[0].length === 0) {
      await new Promise<void>((resolve) => {
        this.bells.add(resolve);
        signal?.addEventListener("abort", () => resolve(), { once: true });
      });
    }
    const [entries, opening] = this.after(cursor);
    const elements = entries.map((entry) => entry.message);
    if (opening.outcome === "GAP") elements.unshift({ "@open": { streams: [opening] } });
    const headers = { link: `</stream?cursor=c${this.emitted}>; rel="next"` };
    return elements.length > 0 ? Response.json(elements, { headers }) : new Response(null, { status: 204, headers });
  }

  private after(cursor: string | null): [Entry[], { key: string; outcome: string; reason?: string }] {
    if (!cursor) return [[], { key: "", outcome: "FRESH" }];
    const seen = Number(cursor.slice(1));
    if (seen < this.oldest) return [[], { key: "", outcome: "GAP", reason: "expired" }];
    return [this.log.filter((entry) => Number(entry.cursor.slice(1)) > seen), { key: "", outcome: "RESUMED" }];
  }
}

function block({ cursor, message, event }: Entry): string {
  return `${event && `event: ${event}\n`}id: ${cursor}\ndata: ${JSON.stringify(message)}\n\n`;
}
