import type { Message } from "../../../web/src/api/sse";

// What a browser has and this has not.
vi.stubGlobal("sessionStorage", { getItem: () => null, setItem: () => undefined });
vi.stubGlobal("location", { origin: "http://127.0.0.1:7860", hash: "" });

const { curl } = await import("../../../web/src/api/client");
const store = await import("../../../web/src/state/store");
const say = (event: string, data: unknown): void => store.takeMessage({ id: "", event, data: JSON.stringify(data) } as Message);

describe("what the stream says", () => {
  it("ends up in the state", () => {
    say("event", { id: 5, time_ms: 1, type: "cache_hit", model_id: "a" });
    say("event", { id: 5, time_ms: 1, type: "cache_hit", model_id: "a" });
    expect(store.events.value.map((event) => event.id)).toEqual([5]);
    say("job", { id: "j1", kind: "convert", state: "running", fraction: 0.5, created_ms: 1 });
    say("job", { id: "j1", kind: "convert", state: "done", fraction: 1, created_ms: 1 });
    expect(store.jobs.value).toEqual([{ id: "j1", kind: "convert", state: "done", fraction: 1, created_ms: 1 }]);
  });

  it("does no harm when it cannot be read", () => {
    const warn = vi.spyOn(console, "warn").mockImplementation(() => undefined);
    store.takeMessage({ id: "", event: "sample", data: "{" });
    store.takeMessage({ id: "", event: "sample", data: "null" });
    store.takeMessage({ id: "", event: "something new", data: "{}" });
    expect(warn).toHaveBeenCalledTimes(2);
    expect(store.devices.value).toEqual([]);
    warn.mockRestore();
  });
});

describe("curl", () => {
  it("is what a shell takes, whatever is in the names", () => {
    expect(curl("POST", "/api/v1/models/it%27s/load", { device: "it's" })).toBe(
      `curl -X POST 'http://127.0.0.1:7860/api/v1/models/it%27s/load' -H 'Content-Type: application/json' -d '{"device":"it'\\''s"}'`,
    );
    expect(curl("GET", "/metrics")).toBe("curl 'http://127.0.0.1:7860/metrics'");
    expect(curl("POST", "/api/v1/convert", undefined, { model: "a", file: "@in.wav" })).toBe(
      "curl 'http://127.0.0.1:7860/api/v1/convert' -F 'model=a' -F 'file=@in.wav'",
    );
  });
});
