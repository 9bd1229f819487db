// Line drawings of 20 x 20, of ours.
const kPaths = {
  models: "M3 6.5h14M3 10h9M3 13.5h14M15 8.5v3",
  gpu: "M5 5h10v10H5zM8 8h4v4H8zM8 2.5V5m4-2.5V5M8 15v2.5m4-2.5v2.5M2.5 8H5m-2.5 4H5m10-4h2.5M15 12h2.5",
  try: "M3 10h1.5M6.5 6v8M10 3v14M13.5 6.5v7M17 9v2",
  tasks: "M3 5.5l1.5 1.5L7 4M3 11.5 4.5 13 7 10M10 6h7M10 12h7",
  automation: "M10 3v2.5M10 14.5V17M3 10h2.5M14.5 10H17M5 5l1.8 1.8M13.2 13.2 15 15M15 5l-1.8 1.8M6.8 13.2 5 15M12.5 10a2.5 2.5 0 1 1-5 0 2.5 2.5 0 0 1 5 0z",
  activity: "M2.5 10H6l2-5.5 3.5 11 2.2-5.5h3.8",
  add: "M10 4v12M4 10h12",
  close: "M5 5l10 10M15 5L5 15",
  pin: "M7 3h6l-1 5 2.5 3h-9L8 8 7 3zM10 11v6",
  chevron: "M5 8l5 5 5-5",
  up: "M10 16V5M5.5 9.5 10 5l4.5 4.5",
  folder: "M2.5 5.5h5l1.5 2h8.5v8h-15z",
  copy: "M7 7h9v9H7zM4 13V4h9",
  check: "M4 10.5l4 4 8-9",
  warning: "M10 3.5 17.5 16.5h-15zM10 8.5v3.5M10 14.2v.3",
  error: "M10 2.8a7.2 7.2 0 1 1 0 14.4 7.2 7.2 0 0 1 0-14.4zM10 6v4.8M10 13.6v.3",
  sun: "M10 6.5a3.5 3.5 0 1 1 0 7 3.5 3.5 0 0 1 0-7zM10 2v1.8M10 16.2V18M2 10h1.8M16.2 10H18M4.4 4.4l1.2 1.2M14.4 14.4l1.2 1.2M15.6 4.4l-1.2 1.2M5.6 14.4l-1.2 1.2",
  moon: "M16.5 12A7 7 0 0 1 8 3.5a7 7 0 1 0 8.5 8.5z",
  system: "M3 4h14v9H3zM7.5 16.5h5M10 13v3.5",
  trash: "M4 6h12M8 6V4h4v2M5.5 6l.7 10.5h7.6L14.5 6M8.5 9v4.5M11.5 9v4.5",
  link: "M8.5 11.5a3 3 0 0 1 0-4.2l2-2a3 3 0 0 1 4.2 4.2l-1 1M11.5 8.5a3 3 0 0 1 0 4.2l-2 2a3 3 0 0 1-4.2-4.2l1-1",
  microphone: "M10 3a2 2 0 0 1 2 2v5a2 2 0 0 1-4 0V5a2 2 0 0 1 2-2zM5.5 9.5a4.5 4.5 0 0 0 9 0M10 14v3M7.5 17h5",
  play: "M6 4l10 6-10 6z",
  pause: "M6.5 4.5v11M13.5 4.5v11",
  stop: "M5.5 5.5h9v9h-9z",
  download: "M10 3v9M6 8.5l4 4 4-4M3.5 16.5h13",
  swap: "M4 7h11l-3-3M16 13H5l3 3",
  clock: "M10 2.8a7.2 7.2 0 1 1 0 14.4 7.2 7.2 0 0 1 0-14.4zM10 6v4.3l2.8 1.7",
  bolt: "M11 2.5 4.5 11.5H9l-1 6 6.5-9H10z",
  edit: "M4 16l.7-3.2L13 4.5l2.5 2.5-8.3 8.3z",
} as const;

export type IconName = keyof typeof kPaths;

export function Icon({ name, size = 18 }: { name: IconName; size?: number }) {
  return (
    <svg class="icon" width={size} height={size} viewBox="0 0 20 20" aria-hidden="true" focusable="false">
      <path d={kPaths[name]} />
    </svg>
  );
}
