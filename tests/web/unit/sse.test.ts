import { backOffSeconds, EventStream, type Message, SseParser } from "../../../web/src/api/sse";

const kStream = '\ufeffid: 1\nevent: hello\ndata: {"version":"1"}\n\n: heartbeat\n\nid: 2\r\nevent: sample\r\ndata: one\r\ndata: two\r\n\r\ndata:bare\rid\r\r\n';

describe("SseParser", () => {
  const expected: Message[] = [
    { id: "1", event: "hello", data: '{"version":"1"}' },
    { id: "2", event: "sample", data: "one\ntwo" },
    { id: "", event: "message", data: "bare" },
  ];

  it("reads a stream that comes at once", () => {
    expect(new SseParser().push(kStream)).toEqual(expected);
  });

  it("reads it the same wherever it is cut in three", () => {
    for (let first = 0; first <= kStream.length; first++) {
      for (let second = first; second <= kStream.length; second++) {
        const parser = new SseParser();
        const pieces = [kStream.slice(0, first), kStream.slice(first, second), kStream.slice(second)];
        expect(pieces.flatMap((piece) => parser.push(piece))).toEqual(expected);
      }
    }
  });

  it("holds back what is not complete, and forgets fields it does not know", () => {
    const parser = new SseParser();
    expect(parser.push("event: a\nretry: 5\nwhat: ever\ndata: x\n")).toEqual([]);
    expect(parser.push("\n")).toEqual([{ id: "", event: "a", data: "x" }]);
  });
});

describe("backOffSeconds", () => {
  it("doubles, up to half a minute", () => {
    expect([0, 1, 2, 3, 4, 5, 60].map(backOffSeconds)).toEqual([1, 2, 4, 8, 16, 30, 30]);
  });
});

// A server that answers as it is told, and timers that run when they are told.
function surroundings(answers: (() => Response | Error)[]) {
  const asked: Record<string, string>[] = [];
  const timers: { run: () => void; milliseconds: number; done: boolean }[] = [];
  const pending = (milliseconds: number) => timers.filter((timer) => !timer.done && timer.milliseconds === milliseconds);
  return {
    asked,
    pending,
    fire: (milliseconds: number) => {
      const timer = pending(milliseconds)[0];
      if (!timer) throw new Error(`no timer of ${milliseconds} ms`);
      timer.done = true;
      timer.run();
    },
    fetch: async (_url: string, init: RequestInit): Promise<Response> => {
      asked.push(init.headers as Record<string, string>);
      const answer = answers[asked.length - 1]?.() ?? new Error("no more answers");
      if (answer instanceof Error) throw answer;
      return answer;
    },
    setTimeout: (run: () => void, milliseconds: number) => {
      const timer = { run, milliseconds, done: false };
      timers.push(timer);
      return timer;
    },
    clearTimeout: (timer: unknown) => {
      if (timer) (timer as { done: boolean }).done = true;
    },
  };
}

const text = (body: string) => () => new Response(body, { headers: { "Content-Type": "text/event-stream" } });

describe("EventStream", () => {
  it("tells the messages, comes back after a back-off, and says where it was", async () => {
    const world = surroundings([text("id: 7\nevent: sample\ndata: {}\n\n"), () => new Error("refused"), text("data: again\n\n")]);
    const heard: string[] = [];
    const stream = new EventStream(
      "/api/v1/events",
      () => ({ Authorization: "Bearer k" }),
      {
        open: () => heard.push("open"),
        message: (message) => heard.push(message.data),
        lost: (seconds, status) => heard.push(`lost ${seconds} ${status}`),
      },
      world,
    );
    stream.start();
    await vi.waitFor(() => expect(heard).toEqual(["open", "{}", "lost 1 200"]));
    world.fire(1000);
    await vi.waitFor(() => expect(heard[3]).toBe("lost 2 undefined"));
    world.fire(2000);
    await vi.waitFor(() => expect(heard.slice(4)).toEqual(["open", "again", "lost 1 200"]));
    expect(world.asked.map((headers) => headers["Last-Event-ID"])).toEqual([undefined, "7", "7"]);
    expect(world.asked[0]?.Authorization).toBe("Bearer k");
    stream.stop();
  });

  it("waits longer the longer nobody answers", async () => {
    const world = surroundings([() => new Response("", { status: 503 }), () => new Error("x"), () => new Error("x")]);
    const waits: number[] = [];
    const stream = new EventStream("/", () => ({}), { open: () => undefined, message: () => undefined, lost: (seconds) => waits.push(seconds) }, world);
    stream.start();
    for (const seconds of [1, 2, 4]) {
      await vi.waitFor(() => expect(waits.at(-1)).toBe(seconds));
      if (seconds < 4) world.fire(seconds * 1000);
    }
    stream.stop();
    expect(world.pending(4000)).toEqual([]);
  });

  it("takes a long silence for a lost connection", async () => {
    let cancelled = false;
    const silent = () => new Response(new ReadableStream({ cancel: () => void (cancelled = true) }));
    const world = surroundings([silent]);
    const fetch = world.fetch;
    world.fetch = async (url, init) => {
      const response = await fetch(url, init);
      init.signal?.addEventListener("abort", () => void response.body?.cancel().catch(() => undefined));
      const reader = response.body!.getReader();
      init.signal?.addEventListener("abort", () => void reader.cancel());
      return { ok: true, status: 200, body: { getReader: () => reader } } as unknown as Response;
    };
    const heard: string[] = [];
    const stream = new EventStream("/", () => ({}), { open: () => heard.push("open"), message: () => undefined, lost: () => heard.push("lost") }, world);
    stream.start();
    await vi.waitFor(() => expect(heard).toEqual(["open"]));
    world.fire(EventStream.silenceMilliseconds);
    await vi.waitFor(() => expect(heard).toEqual(["open", "lost"]));
    expect(cancelled).toBe(true);
    stream.stop();
  });
});
