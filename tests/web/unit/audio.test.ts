import { fft, peaks, spectrogram, toWav } from "../../../web/src/try/audio";

describe("fft", () => {
  it("is the discrete Fourier transform", () => {
    const size = 64;
    const real = Float32Array.from({ length: size }, (_, index) => Math.sin(index * 0.7) + 0.3 * Math.cos(index * 1.9));
    const imaginary = new Float32Array(size);
    const direct = Array.from({ length: size }, (_, k) => {
      let re = 0;
      let im = 0;
      real.forEach((value, n) => {
        re += value * Math.cos((-2 * Math.PI * k * n) / size);
        im += value * Math.sin((-2 * Math.PI * k * n) / size);
      });
      return [re, im] as const;
    });
    fft(real, imaginary);
    direct.forEach(([re, im], k) => {
      expect(real[k]).toBeCloseTo(re, 3);
      expect(imaginary[k]).toBeCloseTo(im, 3);
    });
  });
});

describe("spectrogram", () => {
  it("is loudest at the row of the tone", () => {
    const rate = 16000;
    const rows = 48;
    const tone = Float32Array.from({ length: rate }, (_, index) => Math.sin((2 * Math.PI * 1000 * index) / rate));
    const values = spectrogram(tone, rate, 4, rows);
    const middle = values.slice(rows, 2 * rows);
    const loudest = middle.indexOf(Math.max(...middle));
    const mel = (hz: number) => 1127 * Math.log1p(hz / 700);
    expect(Math.abs(loudest - (mel(1000) / mel(8000)) * rows)).toBeLessThan(1.5);
    expect(Math.max(...values)).toBeCloseTo(0, 3);
  });
});

describe("peaks", () => {
  it("has the least and most of each stretch, also of fewer samples than columns", () => {
    expect(peaks(Float32Array.of(0.5, -0.25, 0, 1), 2)).toEqual([
      [-0.25, 0.5],
      [0, 1],
    ]);
    expect(peaks(Float32Array.of(0.5), 3)).toHaveLength(3);
  });
});

describe("toWav", () => {
  it("writes 16 bits and does not wrap around", async () => {
    const view = new DataView(await toWav(Float32Array.of(0, 1, -2), 44100).arrayBuffer());
    expect(view.byteLength).toBe(50);
    expect(view.getUint32(24, true)).toBe(44100);
    expect([44, 46, 48].map((at) => view.getInt16(at, true))).toEqual([0, 32767, -32767]);
  });
});
