// What the daemon says, as docs/api.md has it. A reading that is not there is left out or null, never 0.

export interface DeviceMemory {
  total: number;
  free: number;
  used: number;
  reserved?: number;
  shared_with_host?: boolean;
  gpu_used?: number;
}

export interface Telemetry {
  utilisation_percent?: number;
  memory_utilisation_percent?: number;
  temperature_celsius?: number;
  memory_temperature_celsius?: number;
  thermal_headroom_celsius?: number;
  fan_percent?: number;
  power_watts?: number;
  power_limit_watts?: number;
  clock_mhz?: number;
  memory_clock_mhz?: number;
  cores?: number;
  throttle_reasons?: string[];
}

export interface Process {
  pid: number;
  name: string;
  bytes?: number;
  ours: boolean;
}

export interface Ledger {
  capacity: number;
  reserved: number;
  resident: number;
  workspace: number;
  free: number;
}

export type ComponentState = "loading" | "resident" | "freeing";

export interface DeviceComponent {
  kind: string;
  file: string;
  variant: string;
  bytes: number;
  state: ComponentState;
  models: string[];
  leases: number;
}

export interface Device {
  id: string;
  name: string;
  uuid: string;
  memory: DeviceMemory;
  telemetry: Telemetry;
  processes: Process[];
  ledger: Ledger;
  components: DeviceComponent[];
  problem?: string;
}

export type ModelStatus = "unloaded" | "loading" | "loaded" | "unloading" | "error";

export interface ModelComponent {
  kind: string;
  file: string;
  variant: string;
  bytes: number;
  state: ComponentState;
  shared_with: string[];
}

export interface Model {
  id: string;
  type: string;
  path?: string;
  registered?: boolean; // false: loaded by somebody, forgotten when it is gone
  device: string;
  placed?: string;
  status: ModelStatus;
  holds: number;
  leases: number;
  waiting: number;
  bytes: number;
  estimated_bytes?: number;
  pinned: boolean;
  baseline: boolean;
  keep_alive_seconds?: number | null;
  idle_seconds?: number;
  last_used_ms?: number;
  error?: string;
  error_code?: string;
  remedy?: string;
  progress?: { bytes: number; total_bytes: number; component: string };
  components: ModelComponent[];
  speakers?: (string | { id?: number; name?: string })[];
  task?: string;
}

export interface Status {
  version: string;
  uptime_seconds: number;
  started_ms?: number;
  devices: Device[];
  models: Model[];
  state_problems: string[];
  monitoring?: { enabled: boolean; interval_seconds: number };
  queue?: { device: string; waiting: number; running: number; limit?: number }[];
  host_cache?: { capacity: number; resident: number; images: { kind: string; file: string; bytes: number; in_use: boolean }[] };
}

export interface ServerEvent {
  id: number;
  time_ms: number;
  type: string;
  model_id?: string;
  model_type?: string;
  device?: string;
  component?: string;
  bytes?: number;
  total_bytes?: number;
  seconds?: number;
  message?: string;
  cause?: string;
}

export interface Sample {
  time_ms: number;
  devices: Omit<Device, "components">[];
}

export interface Alert {
  time_ms: number;
  type: "warning" | "critical" | "cleared";
  rule: string;
  device: string;
  message: string;
  value: number;
  threshold: number;
}

export interface Alerts {
  firing: { device: string; rule: string; level: "warning" | "critical" }[];
  recent: Alert[];
}

export interface HistorySeries {
  device: string;
  time_ms: number[];
  total: (number | null)[];
  used: (number | null)[];
  used_max: (number | null)[];
  utilisation_percent: (number | null)[];
  temperature_celsius: (number | null)[];
  power_watts: (number | null)[];
}

export interface MemoryHistory {
  interval_seconds: number;
  series: HistorySeries[];
  events: ServerEvent[];
}

export interface Hold {
  id: number;
  owner: string;
  models: string[];
  age_seconds: number;
  remaining_seconds?: number;
  pid?: number;
}

export interface Plan {
  purpose: string;
  device: string;
  fits: boolean;
  problem?: string;
  needed_bytes: number;
  free_bytes: number;
  capacity_bytes: number;
  bound_by?: string;
  remaining_bytes: number;
  seconds: number;
  parts: { component: string; bytes: number; source: "resident" | "host" | "disk"; seconds: number }[];
  evict: { component: string; bytes: number; models: string[]; reason: string }[];
}

export interface TaskModel {
  model_type?: string;
  model_path: string;
  device?: string;
  priority?: number;
}

export interface Task {
  task_name: string;
  required_models: TaskModel[];
  optional_models: TaskModel[];
  memory_limit_mb: number;
  auto_cleanup: boolean;
  preloading: boolean;
  held: string[];
}

export interface Preloaded {
  required: string[];
  optional: string[];
  skipped: { model_path: string; reason: string }[];
  bytes: number;
}

export type SettingValue = boolean | number | string | null;

export interface Setting {
  name: string;
  value: SettingValue;
  default: SettingValue;
  kept: boolean;
  type: "switch" | "number" | "whole_number" | "choice" | "text";
  min?: number;
  max?: number;
  choices?: string[];
  unit?: string;
  description: string;
  live: boolean;
}

export interface BrowseEntry {
  name: string;
  path: string;
  kind: "folder" | "model";
  type?: string;
  bytes?: number;
  registered_as?: string;
  problem?: string;
}

export interface Browse {
  roots: string[];
  path: string;
  parent?: string;
  entries: BrowseEntry[];
}

export interface Decision {
  sequence?: number;
  time_ms: number;
  device: string;
  purpose: string;
  needed_bytes: number;
  free_bytes: number;
  capacity_bytes: number;
  bound_by?: string;
  verdict: string;
  policy?: string;
  candidates: {
    component: string;
    bytes: number;
    idle_seconds: number;
    uses: number;
    reload_seconds: number;
    young: boolean;
    evicted: boolean;
  }[];
  unloaded: string[];
}

export type JobState = "queued" | "running" | "done" | "failed" | "cancelled";

export interface Job {
  id: string;
  kind: string;
  state: JobState;
  fraction: number;
  stage?: string;
  model?: string;
  created_ms: number;
  started_ms?: number;
  ended_ms?: number;
  error?: string | ProblemBody;
  code?: string; // of the error
  result?: {
    content_type: string;
    bytes: number;
    seconds: number;
    sample_rate: number;
    real_time_factor: number;
    stage_times?: { stage: string; seconds: number }[] | Record<string, number>;
    notices?: string[];
  };
}

export interface Voice {
  id: string;
  name: string;
  seconds: number;
  sample_rate: number;
  bytes: number;
  created_ms: number;
}

export interface ProblemBody {
  type?: string;
  title?: string;
  status?: number;
  detail?: string;
  code?: string;
  remedy?: string;
}
