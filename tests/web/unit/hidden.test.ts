// A page that nobody looks at gives its stream back, and takes up where it was.

const kHiddenMilliseconds = 30_000;
const tab = { hidden: false, changed: () => undefined as void };
interface Connection {
  headers: Record<string, string>;
  aborted: () => boolean;
  say: (text: string) => void;
}
const streams: Connection[] = [];

function openStream(init: RequestInit): Response {
  let controller!: ReadableStreamDefaultController<Uint8Array>;
  const body = new ReadableStream<Uint8Array>({ start: (one) => void (controller = one) });
  const say = (text: string): void => controller.enqueue(new TextEncoder().encode(text));
  const heartbeat = setInterval(() => say(": still here\n\n"), 15_000); // as the server does
  init.signal?.addEventListener("abort", () => {
    clearInterval(heartbeat);
    controller.error(new DOMException("aborted", "AbortError"));
  });
  streams.push({
    headers: init.headers as Record<string, string>,
    aborted: () => init.signal?.aborted ?? false,
    say,
  });
  return new Response(body, { headers: { "Content-Type": "text/event-stream" } });
}

const kAnswers: Record<string, unknown> = {
  "/api/v1/status": { version: "1", devices: [] },
  "/api/v1/models": { models: [] },
  "/api/v1/tasks": { tasks: [] },
  "/api/v1/settings": { settings: [] },
  "/api/v1/alerts": { firing: [], recent: [] },
  "/api/v1/jobs": { jobs: [] },
  "/api/v1/history": { events: [] },
};

vi.useFakeTimers();
vi.stubGlobal("sessionStorage", { getItem: () => null, setItem: () => undefined });
vi.stubGlobal("location", { origin: "http://127.0.0.1:7860", hash: "" });
vi.stubGlobal("document", {
  get hidden() {
    return tab.hidden;
  },
  addEventListener: (_: string, listener: () => void) => void (tab.changed = listener),
});
vi.stubGlobal("fetch", async (url: string, init: RequestInit) =>
  url === "/api/v1/events" ? openStream(init) : new Response(JSON.stringify(kAnswers[url.split("?")[0]!])),
);
const store = await import("../../../web/src/state/store");

function look(hidden: boolean): void {
  tab.hidden = hidden;
  tab.changed();
}
const state = (): string => store.connection.value.state;
const wait = (milliseconds: number): Promise<unknown> => vi.advanceTimersByTimeAsync(milliseconds);

describe("a page that is hidden", () => {
  it("is live while it is looked at", async () => {
    store.startStore();
    await wait(0);
    streams[0]!.say('id: 41\nevent: event\ndata: {"id":41,"time_ms":1,"type":"evicted"}\n\n');
    await wait(0);
    expect(state()).toBe("live");
    expect(store.events.value.map((event) => event.id)).toEqual([41]);
    expect(streams[0]!.headers["Last-Event-ID"]).toBeUndefined();
  });

  it("keeps its stream for a short look elsewhere", async () => {
    look(true);
    await wait(kHiddenMilliseconds - 1);
    look(false);
    await wait(2 * kHiddenMilliseconds); // the timer has been taken back
    expect(streams[0]!.aborted()).toBe(false);
    expect(state()).toBe("live");
    expect(streams.length).toBe(1);
  });

  it("closes it after half a minute", async () => {
    look(true);
    await wait(kHiddenMilliseconds - 1);
    expect(streams[0]!.aborted()).toBe(false);
    await wait(1);
    expect(streams[0]!.aborted()).toBe(true);
    expect(state()).toBe("paused");
    await wait(10 * 60_000);
    expect(streams.length).toBe(1); // nothing comes back by itself
  });

  it("comes back when it is looked at, from where it was", async () => {
    look(false);
    await wait(0);
    expect(streams.length).toBe(2);
    expect(streams[1]!.headers["Last-Event-ID"]).toBe("41");
    expect(state()).toBe("live");
    streams[1]!.say('id: 42\nevent: event\ndata: {"id":42,"time_ms":2,"type":"evicted"}\n\n');
    await wait(0);
    expect(store.events.value.map((event) => event.id).sort()).toEqual([41, 42]);
  });
});
export {};
