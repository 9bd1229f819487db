// Server-sent events read from a fetch() body: EventSource cannot send an API key.

export interface Message {
  id: string;
  event: string;
  data: string;
}

// Takes the text of a stream piece by piece, however it was cut, and gives the messages that are complete.
export class SseParser {
  private rest = "";
  private event = "";
  private data: string[] = [];
  private id = "";
  private first = true;

  push(text: string): Message[] {
    if (this.first && text.length > 0) {
      this.first = false;
      if (text.charCodeAt(0) === 0xfeff) text = text.slice(1);
    }
    this.rest += text;
    const messages: Message[] = [];
    for (;;) {
      const end = this.rest.search(/[\r\n]/);
      if (end < 0) break;
      // A CR at the very end may be half of a CRLF.
      if (this.rest[end] === "\r" && end === this.rest.length - 1) break;
      const line = this.rest.slice(0, end);
      this.rest = this.rest.slice(end + (this.rest.startsWith("\r\n", end) ? 2 : 1));
      const message = this.line(line);
      if (message) messages.push(message);
    }
    return messages;
  }

  private line(line: string): Message | undefined {
    if (line === "") {
      const { event, data, id } = this;
      this.event = "";
      this.data = [];
      return data.length ? { id, event: event || "message", data: data.join("\n") } : undefined;
    }
    if (line.startsWith(":")) return undefined;
    const colon = line.indexOf(":");
    const field = colon < 0 ? line : line.slice(0, colon);
    let value = colon < 0 ? "" : line.slice(colon + 1);
    if (value.startsWith(" ")) value = value.slice(1);
    if (field === "event") this.event = value;
    else if (field === "data") this.data.push(value);
    else if (field === "id" && !value.includes("\0")) this.id = value;
    return undefined;
  }
}

// Seconds until the next attempt: 1, 2, 4 … 30.
export function backOffSeconds(attempt: number): number {
  return Math.min(30, 2 ** Math.max(0, attempt));
}

export interface StreamHandlers {
  open(): void;
  message(message: Message): void;
  // The stream ended or could not be opened; the next attempt is in `seconds`.
  lost(seconds: number, status?: number): void;
}

export interface StreamSurroundings {
  fetch(input: string, init: RequestInit): Promise<Response>;
  setTimeout(run: () => void, milliseconds: number): unknown;
  clearTimeout(timer: unknown): void;
}

const browser: StreamSurroundings = {
  fetch: (input, init) => fetch(input, init),
  setTimeout: (run, milliseconds) => setTimeout(run, milliseconds),
  clearTimeout: (timer) => clearTimeout(timer as ReturnType<typeof setTimeout>),
};

// A stream that comes back by itself, from where it was. The server sends something every 15 s; silence for
// three times that long is a lost connection.
export class EventStream {
  private abort: AbortController | undefined;
  private timer: unknown;
  private attempt = 0;
  private lastId = "";
  private silence: unknown;
  static readonly silenceMilliseconds = 45_000;

  constructor(
    private readonly url: string,
    private readonly headers: () => Record<string, string>,
    private readonly handlers: StreamHandlers,
    private readonly surroundings: StreamSurroundings = browser,
  ) {}

  get isOpen(): boolean {
    return this.abort !== undefined;
  }

  start(): void {
    if (this.abort) return;
    this.surroundings.clearTimeout(this.timer);
    this.abort = new AbortController();
    void this.read(this.abort);
  }

  stop(): void {
    this.surroundings.clearTimeout(this.timer);
    this.surroundings.clearTimeout(this.silence);
    this.abort?.abort();
    this.abort = undefined;
  }

  private async read(abort: AbortController): Promise<void> {
    let status: number | undefined;
    try {
      const headers: Record<string, string> = { Accept: "text/event-stream", ...this.headers() };
      if (this.lastId) headers["Last-Event-ID"] = this.lastId;
      this.listen(abort);
      const response = await this.surroundings.fetch(this.url, { headers, signal: abort.signal, cache: "no-store" });
      status = response.status;
      if (!response.ok || !response.body) throw new Error(`HTTP ${response.status}`);
      this.attempt = 0;
      this.handlers.open();
      const reader = response.body.getReader();
      const decoder = new TextDecoder();
      const parser = new SseParser();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        this.listen(abort);
        for (const message of parser.push(decoder.decode(value, { stream: true }))) {
          if (message.id) this.lastId = message.id;
          this.handlers.message(message);
        }
      }
    } catch {
      // Told below: whether it ended or failed, it is tried again.
    }
    if (this.abort !== abort) return; // stopped by us
    this.surroundings.clearTimeout(this.silence);
    this.abort = undefined;
    const seconds = backOffSeconds(this.attempt++);
    this.timer = this.surroundings.setTimeout(() => this.start(), seconds * 1000);
    this.handlers.lost(seconds, status);
  }

  private listen(abort: AbortController): void {
    this.surroundings.clearTimeout(this.silence);
    this.silence = this.surroundings.setTimeout(() => abort.abort(), EventStream.silenceMilliseconds);
  }
}
