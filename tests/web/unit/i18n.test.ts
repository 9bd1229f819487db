import { dictionaries, pickLanguage } from "../../../web/src/i18n";

type Texts = Record<string, unknown>;
const words = (value: unknown): string =>
  typeof value === "function" ? String((value as (...args: unknown[]) => string)("甲", "乙", "丙", "丁")) : String(value);

function leaves(texts: Texts, prefix = ""): [string, unknown][] {
  return Object.entries(texts).flatMap(([key, value]) =>
    typeof value === "object" && value !== null ? leaves(value as Texts, `${prefix}${key}.`) : [[`${prefix}${key}`, value] as [string, unknown]],
  );
}

describe("dictionaries", () => {
  const en = new Map(leaves(dictionaries.en as unknown as Texts));
  const zh = new Map(leaves(dictionaries.zh as unknown as Texts));

  // Records of names are not checked by the compiler.
  it("have the same keys, none of them empty", () => {
    expect([...zh.keys()].sort()).toEqual([...en.keys()].sort());
    for (const [key, value] of [...en, ...zh]) expect(words(value).trim(), key).not.toBe("");
  });

  it("use what they are given, both the same", () => {
    for (const [key, value] of en) {
      if (typeof value !== "function") continue;
      const used = (text: string) => ["甲", "乙", "丙", "丁"].filter((argument) => text.includes(argument));
      expect(used(words(zh.get(key))), key).toEqual(used(words(value)));
    }
  });

  it("are written in their language", () => {
    const chinese = /[\u4e00-\u9fff]/;
    for (const [key, value] of en) if (typeof value === "string") expect(chinese.test(value), key).toBe(false);
    for (const [key, value] of zh) {
      const text = words(value);
      if (text !== "greenroom") expect(chinese.test(text), `${key}: ${text}`).toBe(true);
      expect(/[\u4e00-\u9fff][,;:!?]/.test(text), `${key} has half-width punctuation: ${text}`).toBe(false);
    }
  });
});

describe("pickLanguage", () => {
  it("goes by what was chosen, then by the browser, then English", () => {
    expect(pickLanguage("en", ["zh-CN"])).toBe("en");
    expect(pickLanguage(null, ["fr", "zh-TW", "en"])).toBe("zh");
    expect(pickLanguage(null, ["en-GB", "zh"])).toBe("en");
    expect(pickLanguage("klingon", [])).toBe("en");
  });
});
