import type { Device, DeviceComponent, Plan } from "../../../web/src/api/types";
import { Colours, cut, displayName, knowModels, lens, merged, withPlan } from "../../../web/src/segments";

const component = (kind: string, bytes: number, models: string[], more: Partial<DeviceComponent> = {}): DeviceComponent => ({
  kind,
  file: `/m/${kind}.pt`,
  variant: "float32",
  bytes,
  state: "resident",
  models,
  leases: 0,
  ...more,
});

function device(more: Partial<Device> = {}): Device {
  return {
    id: "cuda:0",
    name: "",
    uuid: "",
    memory: { total: 1000, free: 500, used: 450, reserved: 50 },
    telemetry: {},
    processes: [],
    ledger: { capacity: 900, reserved: 0, resident: 0, workspace: 0, free: 900 },
    components: [],
    ...more,
  };
}

const total = (list: { bytes: number }[]): number => list.reduce((sum, one) => sum + one.bytes, 0);

describe("cut", () => {
  it("adds up to the device, whatever is in it", () => {
    const shown = cut(device({ components: [component("voice", 100, ["alto"]), component("encoder", 50, ["alto", "tenor"])] }));
    expect(total(shown.ours) + total(shown.rest)).toBe(1000);
    expect(shown.rest.map((one) => [one.kind, one.bytes])).toEqual([
      ["others", 300],
      ["reserved", 50],
      ["free", 500],
    ]);
  });

  it("groups by model, then what is shared, then what is idle", () => {
    const shown = cut(
      device({
        components: [
          component("encoder", 30, ["alto", "tenor"]),
          component("old", 20, []),
          component("tenor voice", 10, ["tenor"]),
          component("alto voice", 10, ["alto"]),
          component("alto head", 40, ["alto"]),
        ],
        ledger: { capacity: 900, reserved: 15, resident: 110, workspace: 25, free: 0 },
      }),
    );
    expect(shown.ours.map((one) => one.component?.kind ?? one.kind)).toEqual(["alto head", "alto voice", "tenor voice", "encoder", "old", "workspace", "claimed"]);
    expect(shown.ours.map((one) => one.model)).toEqual(["alto", "alto", "tenor", undefined, undefined, undefined, undefined]);
  });

  it("says what sharing spares", () => {
    const list = [component("encoder", 30, ["a", "b", "c"]), component("voice", 10, ["a"])];
    expect(cut(device({ components: list })).saved).toBe(60);
  });

  it("never draws less than nothing when the device and the ledger disagree", () => {
    const shown = cut(device({ memory: { total: 100, free: 90, used: 10 }, components: [component("voice", 200, ["a"])] }));
    expect(shown.total).toBe(200);
    expect(shown.rest).toEqual([{ key: "free", kind: "free", bytes: 0 }]);
  });

  it("does not count what is loading twice", () => {
    const loading = component("voice", 70, ["a"], { state: "loading" });
    const shown = cut(device({ components: [loading], ledger: { capacity: 900, reserved: 70, resident: 0, workspace: 0, free: 830 } }));
    expect(shown.ours.map((one) => one.kind)).toEqual(["own"]);
  });
});

describe("withPlan", () => {
  const plan = (more: Partial<Plan>): Plan => ({
    purpose: "",
    device: "cuda:0",
    fits: true,
    needed_bytes: 0,
    free_bytes: 0,
    capacity_bytes: 0,
    remaining_bytes: 0,
    seconds: 0,
    parts: [],
    evict: [],
    ...more,
  });

  it("draws a ghost into what is free", () => {
    const shown = withPlan(cut(device()), plan({ needed_bytes: 200 }));
    expect(shown.ours.at(-1)).toEqual({ key: "ghost", kind: "ghost", bytes: 200 });
    expect(shown.rest.find((one) => one.kind === "free")?.bytes).toBe(300);
  });

  it("marks what would go", () => {
    const before = cut(device({ components: [component("voice", 100, ["bob"]), component("other", 50, ["al"])] }));
    const shown = withPlan(before, plan({ needed_bytes: 700, evict: [{ component: "voice (voice.pt)", bytes: 100, models: ["bob"], reason: "idle 41 s" }] }));
    expect(shown.ours.filter((one) => one.going).map((one) => one.component?.kind)).toEqual(["voice"]);
  });

  it("changes nothing when everything is there", () => {
    const before = cut(device());
    expect(withPlan(before, plan({})).rest).toEqual(before.rest);
  });
});

describe("merged", () => {
  it("joins what belongs to one model and keeps the sum", () => {
    const ours = cut(device({ components: [component("a1", 10, ["a"]), component("a2", 20, ["a"]), component("b1", 5, ["b"]), component("s", 7, ["a", "b"])] })).ours;
    expect(merged(ours).map((one) => [one.kind, one.model, one.bytes])).toEqual([
      ["own", "a", 30],
      ["own", "b", 5],
      ["shared", undefined, 7],
    ]);
    expect(ours.map((one) => one.bytes)).toEqual([20, 10, 5, 7]);
  });
});

describe("lens", () => {
  const holding = (bytes: number, capacity = 900) =>
    cut(device({ components: bytes ? [component("voice", bytes, ["a"])] : [], ledger: { capacity, reserved: 0, resident: bytes, workspace: 0, free: 0 } }));

  it("magnifies a small part and leaves a large one", () => {
    expect(lens(holding(100), holding(100))).toBe(100);
    expect(lens(holding(400), holding(400))).toBeUndefined();
  });

  it("spans a small budget, and what may be used when nothing is", () => {
    expect(lens(holding(100, 200), holding(100, 200))).toBe(200);
    expect(lens(holding(0), holding(0))).toBe(900);
  });

  it("does not come or go with a plan", () => {
    expect(lens(holding(100), holding(500))).toBe(500);
    expect(lens(holding(400), holding(500))).toBeUndefined();
  });
});

describe("Colours", () => {
  it("keeps a model's colour while others come and go", () => {
    const colours = new Colours(3);
    expect(["a", "b", "c", "a"].map((model) => colours.of(model))).toEqual([0, 1, 2, 0]);
    colours.keepOnly(["a", "c"]);
    expect(colours.of("d")).toBe(1);
    expect(colours.of("c")).toBe(2);
    expect(colours.of("e")).toBeLessThan(3);
  });
});

describe("displayName", () => {
  it("is the voice's folder, or the last part", () => {
    expect(displayName("/demo/alto/model_0.pt")).toBe("alto");
    expect(displayName("demo/alto")).toBe("alto");
    expect(displayName("alto")).toBe("alto");
    expect(displayName("model_best.pt")).toBe("model_best.pt");
  });

  it("leaves a hash out as long as the name tells enough", () => {
    knowModels(["alto-3dad81bd", "tenor-00000001", "tenor-00000002"]);
    expect(["alto-3dad81bd", "tenor-00000001", "bass-12345678", "alto-take2"].map(displayName)).toEqual(["alto", "tenor-00000001", "bass", "alto-take2"]);
  });
});
