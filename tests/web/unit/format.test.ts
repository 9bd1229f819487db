import * as format from "../../../web/src/format";
import { chooseLanguage } from "../../../web/src/i18n";

const GiB = 2 ** 30;

describe("format", () => {
  beforeEach(() => chooseLanguage("en"));

  it("writes sizes in 1024s and says so", () => {
    expect(format.bytes(0)).toBe("0 B");
    expect(format.bytes(1023)).toBe("1,023 B");
    expect(format.bytes(1024)).toBe("1.0 KiB");
    expect(format.bytes(1.5 * GiB)).toBe("1.5 GiB");
    expect(format.bytes(1024 * GiB - 1)).toBe("1.0 TiB");
    expect(format.bytes(5000 * 1024 * GiB)).toBe("5,000.0 TiB");
    expect(format.bytes(undefined)).toBe("–");
  });

  it("writes a part in the unit of its whole, or in its own", () => {
    expect(format.bytesOf(1.25 * GiB, 24 * GiB)).toEqual({ part: "1.3", whole: "24.0 GiB" });
    expect(format.bytesOf(100, 24 * GiB)).toEqual({ part: "100 B", whole: "24.0 GiB" });
  });

  it("writes durations as long as they are", () => {
    expect([0.04, 2.54, 9, 59.6, 75, 600, 3599, 3600, 7500, 90000].map(format.duration)).toEqual([
      "0.04 s",
      "2.5 s",
      "9 s",
      "1 min",
      "1 min 15 s",
      "10 min",
      "59 min",
      "1 h",
      "2 h 5 min",
      "1 d 1 h",
    ]);
    chooseLanguage("zh");
    expect(format.duration(75)).toBe("1 分钟 15 秒");
  });

  it("writes shares, small ones with a digit more", () => {
    expect(format.percent(0.034)).toBe("3.4%");
    expect(format.percent(0.85)).toBe("85%");
  });

  it("writes the time of day in 24 hours in both languages", () => {
    const time = new Date(2026, 0, 2, 13, 5, 9).getTime();
    for (const language of ["en", "zh"] as const) {
      chooseLanguage(language);
      expect(format.clock(time)).toBe("13:05:09");
    }
  });
});
