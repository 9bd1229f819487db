// Numbers, sizes and times as people of either language read them. Sizes count in 1024 and say so.
import { language } from "./i18n";

const kUnits = ["B", "KiB", "MiB", "GiB", "TiB"] as const;

export function number(value: number, digits = 0): string {
  return new Intl.NumberFormat(language.value, { minimumFractionDigits: digits, maximumFractionDigits: digits }).format(value);
}

function scaled(value: number): [number, number] {
  let unit = 0;
  while (Math.abs(value) >= 1024 && unit < kUnits.length - 1) {
    value /= 1024;
    unit++;
  }
  // 1023.96 KiB would be written as 1,024.0 KiB.
  if (unit < kUnits.length - 1 && unit > 0 && Math.abs(value) >= 1023.95) return [value / 1024, unit + 1];
  return [value, unit];
}

export function bytes(value: number | undefined): string {
  if (value === undefined || !Number.isFinite(value)) return "–";
  const [amount, unit] = scaled(value);
  return `${number(amount, unit === 0 ? 0 : 1)} ${kUnits[unit]}`;
}

// "1.2 of 24.0 GiB": one unit, that of the second.
export function bytesOf(part: number, whole: number): { part: string; whole: string } {
  const [amount, unit] = scaled(whole);
  const factor = 1024 ** unit;
  const [, own] = scaled(part);
  if (own !== unit) return { part: bytes(part), whole: bytes(whole) };
  return { part: number(part / factor, 1), whole: `${number(amount, 1)} ${kUnits[unit]}` };
}

export function percent(fraction: number): string {
  const digits = fraction > 0 && fraction < 0.1 ? 1 : 0;
  return new Intl.NumberFormat(language.value, { style: "percent", maximumFractionDigits: digits }).format(fraction);
}

const kTimeUnits = { en: [" s", " min", " h", " d"], zh: [" 秒", " 分钟", " 小时", " 天"] } as const;

// "12 s", "3 min 20 s", "2 h 5 min".
export function duration(seconds: number): string {
  const [second, minute, hour, day] = kTimeUnits[language.value];
  if (seconds < 10) {
    const digits = seconds > 0 && seconds < 1 ? 2 : Number.isInteger(seconds) ? 0 : 1;
    return number(seconds, digits) + second;
  }
  const whole = Math.round(seconds);
  if (whole < 60) return whole + second;
  const minutes = Math.floor(whole / 60);
  if (whole < 600 && whole % 60) return `${minutes}${minute} ${whole % 60}${second}`;
  if (whole < 3600) return minutes + minute;
  const hours = Math.floor(whole / 3600);
  if (hours >= 24) return Math.floor(hours / 24) + day + (hours % 24 ? ` ${hours % 24}${hour}` : "");
  return hours + hour + (minutes % 60 ? ` ${minutes % 60}${minute}` : "");
}

export function clock(timeMs: number, withSeconds = true): string {
  return new Intl.DateTimeFormat(language.value, {
    hour: "2-digit",
    minute: "2-digit",
    ...(withSeconds ? { second: "2-digit" as const } : {}),
    hourCycle: "h23",
  }).format(timeMs);
}

export function dateAndClock(timeMs: number): string {
  return new Intl.DateTimeFormat(language.value, {
    month: "short",
    day: "numeric",
    hour: "2-digit",
    minute: "2-digit",
    second: "2-digit",
    hourCycle: "h23",
  }).format(timeMs);
}
