// Sound in the browser: reading, recording, and what is drawn of it.

export interface Sound {
  name: string;
  file: Blob; // what is sent and played
  samples: Float32Array; // mono
  rate: number;
  seconds: number;
}

let context: AudioContext | undefined;
const audioContext = (): AudioContext => (context ??= new AudioContext());

function mono(buffer: AudioBuffer): Float32Array {
  const samples = new Float32Array(buffer.length);
  for (let channel = 0; channel < buffer.numberOfChannels; channel++) {
    const values = buffer.getChannelData(channel);
    for (let index = 0; index < samples.length; index++) samples[index]! += values[index]! / buffer.numberOfChannels;
  }
  return samples;
}

// The server reads these by itself; anything else is sent as the WAV of what the browser made of it.
const kReadByServer = /\.(wav|flac|ogg|oga|aiff?|mp3)$/i;

// Throws when the browser cannot read it.
export async function readSound(file: Blob, name: string): Promise<Sound> {
  const decoded = await audioContext().decodeAudioData(await file.arrayBuffer());
  const samples = mono(decoded);
  const known = kReadByServer.test(name);
  return {
    name: known ? name : `${name.replace(/\.\w+$/, "")}.wav`,
    file: known ? file : toWav(samples, decoded.sampleRate),
    samples,
    rate: decoded.sampleRate,
    seconds: decoded.duration,
  };
}

// 16 bits, one channel.
export function toWav(samples: Float32Array, rate: number): Blob {
  const view = new DataView(new ArrayBuffer(44 + samples.length * 2));
  const text = (at: number, value: string): void => {
    for (let index = 0; index < value.length; index++) view.setUint8(at + index, value.charCodeAt(index));
  };
  text(0, "RIFF");
  view.setUint32(4, 36 + samples.length * 2, true);
  text(8, "WAVEfmt ");
  view.setUint32(16, 16, true);
  view.setUint16(20, 1, true);
  view.setUint16(22, 1, true);
  view.setUint32(24, rate, true);
  view.setUint32(28, rate * 2, true);
  view.setUint16(32, 2, true);
  view.setUint16(34, 16, true);
  text(36, "data");
  view.setUint32(40, samples.length * 2, true);
  samples.forEach((sample, index) => {
    view.setInt16(44 + index * 2, Math.round(Math.max(-1, Math.min(1, sample)) * 32767), true);
  });
  return new Blob([view], { type: "audio/wav" });
}

export interface Recording {
  stop(): Promise<Blob>;
}

// Throws what getUserMedia throws.
export async function record(): Promise<Recording> {
  const stream = await navigator.mediaDevices.getUserMedia({ audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false } });
  const recorder = new MediaRecorder(stream);
  const pieces: Blob[] = [];
  recorder.ondataavailable = (event) => pieces.push(event.data);
  recorder.start();
  return {
    stop: () =>
      new Promise((resolve) => {
        recorder.onstop = () => {
          for (const track of stream.getTracks()) track.stop();
          resolve(new Blob(pieces, { type: recorder.mimeType }));
        };
        recorder.stop();
      }),
  };
}

export const canRecord = (): boolean => typeof MediaRecorder !== "undefined" && Boolean(navigator.mediaDevices?.getUserMedia);

// Least and most of each of `columns` stretches.
export function peaks(samples: Float32Array, columns: number): [number, number][] {
  const result: [number, number][] = [];
  for (let column = 0; column < columns; column++) {
    const from = Math.floor((column * samples.length) / columns);
    const to = Math.max(from + 1, Math.floor(((column + 1) * samples.length) / columns));
    let least = 0;
    let most = 0;
    for (let index = from; index < to && index < samples.length; index++) {
      const value = samples[index]!;
      if (value < least) least = value;
      if (value > most) most = value;
    }
    result.push([least, most]);
  }
  return result;
}

const kWindow = 1024;

// In place; radix 2 (Cooley and Tukey 1965).
export function fft(real: Float32Array, imaginary: Float32Array): void {
  const size = real.length;
  for (let index = 1, reversed = 0; index < size; index++) {
    let bit = size >> 1;
    for (; reversed & bit; bit >>= 1) reversed ^= bit;
    reversed ^= bit;
    if (index < reversed) {
      [real[index], real[reversed]] = [real[reversed]!, real[index]!];
      [imaginary[index], imaginary[reversed]] = [imaginary[reversed]!, imaginary[index]!];
    }
  }
  for (let span = 2; span <= size; span <<= 1) {
    const half = span >> 1;
    const turn = (-2 * Math.PI) / span;
    for (let start = 0; start < size; start += span) {
      for (let k = 0; k < half; k++) {
        const cosine = Math.cos(turn * k);
        const sine = Math.sin(turn * k);
        const a = start + k;
        const b = a + half;
        const re = real[b]! * cosine - imaginary[b]! * sine;
        const im = real[b]! * sine + imaginary[b]! * cosine;
        real[b] = real[a]! - re;
        imaginary[b] = imaginary[a]! - im;
        real[a]! += re;
        imaginary[a]! += im;
      }
    }
  }
}

// Loudness in dB below the loudest, by column, then by row from low to high; rows by pitch (mel), up to 8 kHz.
export function spectrogram(samples: Float32Array, rate: number, columns: number, rows: number): Float32Array {
  const result = new Float32Array(columns * rows);
  const hann = Float32Array.from({ length: kWindow }, (_, index) => 0.5 - 0.5 * Math.cos((2 * Math.PI * index) / kWindow));
  const mel = (hz: number): number => 1127 * Math.log1p(hz / 700);
  const top = mel(Math.min(8000, rate / 2));
  const bins = Array.from({ length: rows + 1 }, (_, row) => (700 * Math.expm1((top * row) / rows / 1127) * kWindow) / rate);
  const real = new Float32Array(kWindow);
  const imaginary = new Float32Array(kWindow);
  let loudest = 1e-9;
  for (let column = 0; column < columns; column++) {
    const start = Math.floor(((column + 0.5) * samples.length) / columns) - kWindow / 2;
    for (let index = 0; index < kWindow; index++) real[index] = (samples[start + index] ?? 0) * hann[index]!;
    imaginary.fill(0);
    fft(real, imaginary);
    for (let row = 0; row < rows; row++) {
      const from = Math.floor(bins[row]!);
      const to = Math.max(from, Math.min(kWindow / 2 - 1, Math.ceil(bins[row + 1]!) - 1));
      let power = 0;
      for (let bin = from; bin <= to; bin++) power = Math.max(power, real[bin]! ** 2 + imaginary[bin]! ** 2);
      result[column * rows + row] = power;
      loudest = Math.max(loudest, power);
    }
  }
  return result.map((power) => 10 * Math.log10(Math.max(power, 1e-12) / loudest));
}
