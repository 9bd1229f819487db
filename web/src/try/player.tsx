// A sound to look at and to listen to.
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import * as format from "../format";
import { language, t } from "../i18n";
import { theme } from "../state/preferences";
import { Button } from "../ui/parts";
import { peaks, type Sound, spectrogram } from "./audio";

const kWaveHeight = 76;
const kSpectrumHeight = 104;
const kRows = 96;
const kFloorDb = -72;

function colour(name: string): [number, number, number] {
  const hex = getComputedStyle(document.documentElement).getPropertyValue(name).trim().replace("#", "");
  return [0, 2, 4].map((at) => parseInt(hex.slice(at, at + 2), 16)) as [number, number, number];
}

function draw(canvas: HTMLCanvasElement, sound: Sound): void {
  const scale = Math.min(2, devicePixelRatio || 1);
  const width = Math.max(1, Math.round(canvas.clientWidth * scale));
  const height = Math.round((kWaveHeight + kSpectrumHeight) * scale);
  canvas.width = width;
  canvas.height = height;
  const pen = canvas.getContext("2d");
  if (!pen) return;
  const [r, g, b] = colour("--accent");
  const paper = colour("--sunk");
  pen.fillStyle = `rgb(${r} ${g} ${b})`;
  const middle = (kWaveHeight * scale) / 2;
  peaks(sound.samples, width).forEach(([least, most], x) => {
    pen.fillRect(x, middle - most * (middle - 2), 1, Math.max(1, (most - least) * (middle - 2)));
  });
  const columns = Math.min(width, 700);
  const values = spectrogram(sound.samples, sound.rate, columns, kRows);
  const image = new ImageData(columns, kRows);
  const text = colour("--text");
  for (let column = 0; column < columns; column++) {
    for (let row = 0; row < kRows; row++) {
      // From the paper over the accent to the text's colour: dark to bright, or bright to dark.
      const strength = Math.max(0, 1 - values[column * kRows + row]! / kFloorDb);
      const at = 4 * ((kRows - 1 - row) * columns + column);
      for (let part = 0; part < 3; part++) {
        const accent = [r, g, b][part]!;
        image.data[at + part] =
          strength < 0.7
            ? paper[part]! + (accent - paper[part]!) * (strength / 0.7)
            : accent + (text[part]! - accent) * ((strength - 0.7) / 0.3);
      }
      image.data[at + 3] = 255;
    }
  }
  const small = document.createElement("canvas");
  small.width = columns;
  small.height = kRows;
  small.getContext("2d")?.putImageData(image, 0, 0);
  pen.drawImage(small, 0, kWaveHeight * scale, width, kSpectrumHeight * scale);
}

export interface Deck {
  audio: HTMLAudioElement;
}

export function Player(props: { sound: Sound; label: string; onRemove?: () => void; download?: string; register?: (audio: HTMLAudioElement | null) => void; autoplay?: boolean }) {
  const { sound } = props;
  const canvas = useRef<HTMLCanvasElement>(null);
  const audio = useRef<HTMLAudioElement>(null);
  const playing = useSignal(false);
  const at = useSignal(0);
  const url = useSignal("");

  useEffect(() => {
    const made = URL.createObjectURL(sound.file);
    url.value = made;
    at.value = 0;
    return () => URL.revokeObjectURL(made);
  }, [sound]);
  useEffect(() => {
    const element = canvas.current;
    if (!element) return undefined;
    draw(element, sound);
    const resized = new ResizeObserver(() => draw(element, sound));
    resized.observe(element);
    return () => resized.disconnect();
  }, [sound, theme.value, language.value]);
  useEffect(() => {
    props.register?.(audio.current);
    return () => props.register?.(null);
  }, []);
  // timeupdate comes four times a second; the line is to glide.
  useEffect(() => {
    if (!playing.value) return undefined;
    let frame = 0;
    const follow = (): void => {
      at.value = audio.current?.currentTime ?? 0;
      frame = requestAnimationFrame(follow);
    };
    frame = requestAnimationFrame(follow);
    return () => cancelAnimationFrame(frame);
  }, [playing.value]);

  const seek = (seconds: number): void => {
    const to = Math.max(0, Math.min(sound.seconds, seconds));
    if (audio.current) audio.current.currentTime = to;
    at.value = to;
  };
  const point = (event: MouseEvent): void => {
    const box = (event.currentTarget as HTMLElement).getBoundingClientRect();
    seek(((event.clientX - box.left) / box.width) * sound.seconds);
  };
  const keys = (event: KeyboardEvent): void => {
    const step = { ArrowRight: 1, ArrowLeft: -1, PageUp: 5, PageDown: -5, Home: -1e6, End: 1e6 }[event.key];
    if (step === undefined) return;
    event.preventDefault();
    seek(at.value + step);
  };
  const toggle = (): void => {
    const element = audio.current;
    if (!element) return;
    if (element.paused) void element.play();
    else element.pause();
  };
  const texts = t.value;
  const position = `${format.duration(Math.floor(at.value))} / ${format.duration(Math.round(sound.seconds * 10) / 10)}`;
  return (
    <div class="player">
      <div class="row">
        <Button
          kind={playing.value ? "plain" : "primary"}
          icon={playing.value ? "pause" : "play"}
          label={`${playing.value ? texts.pause : texts.play}: ${props.label}`}
          run={toggle}
        />
        <div class="grow">
          <b class="breaks">{props.label}</b>
          <small class="muted">{position}</small>
        </div>
        {props.download && url.value ? (
          <a class="button ghost" href={url.value} download={props.download} aria-label={`${texts.download}: ${props.download}`}>
            {texts.download}
          </a>
        ) : null}
        {props.onRemove ? <Button kind="ghost" icon="close" label={`${texts.tryRemove}: ${props.label}`} run={props.onRemove} /> : null}
      </div>
      <div
        class="picture"
        role="slider"
        tabIndex={0}
        aria-label={`${texts.waveformOf(props.label, format.duration(sound.seconds))}. ${texts.position}`}
        aria-valuemin={0}
        aria-valuemax={Math.round(sound.seconds * 10) / 10}
        aria-valuenow={Math.round(at.value * 10) / 10}
        aria-valuetext={position}
        onClick={point}
        onKeyDown={keys}
      >
        <canvas ref={canvas} style={{ height: `${kWaveHeight + kSpectrumHeight}px` }} />
        <i style={{ left: `${(100 * at.value) / Math.max(0.001, sound.seconds)}%` }} />
      </div>
      <audio
        ref={audio}
        src={url.value || undefined}
        preload="auto"
        onPlay={() => (playing.value = true)}
        onPause={() => (playing.value = false)}
        onEnded={() => (playing.value = false)}
      />
    </div>
  );
}
