// A job from its start to its audio.
import { signal } from "@preact/signals";
import { call, get, Problem, send } from "../api/client";
import type { Job } from "../api/types";
import { jobs } from "../state/store";
import { readSound, type Sound } from "./audio";

export interface Result {
  job: Job;
  sound: Sound;
  title: string;
}

// Newest first; for as long as the page is open.
export const results = signal<Result[]>([]);
const kMostResults = 8;

const isOver = (job: Job): boolean => job.state === "done" || job.state === "failed" || job.state === "cancelled";

const upsert = (job: Job): void => {
  jobs.value = [job, ...jobs.value.filter((known) => String(known.id) !== String(job.id))];
};

function failure(job: Job): Problem {
  const body = typeof job.error === "string" ? { detail: job.error } : (job.error ?? {});
  return new Problem(body.status ?? 500, { title: job.state, code: job.state === "cancelled" ? "cancelled" : (job.code ?? ""), ...body });
}

const kPollMilliseconds = 1000;

// Follows it: by what the stream tells, and by asking, should the stream be away.
async function follow(id: string): Promise<Job> {
  for (;;) {
    const known = jobs.peek().find((job) => String(job.id) === id);
    if (known && isOver(known)) return known;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, kPollMilliseconds);
      let first = true;
      const unsubscribe = jobs.subscribe(() => {
        if (!first) done();
        first = false;
      });
      function done(): void {
        clearTimeout(timer);
        queueMicrotask(() => unsubscribe());
        resolve();
      }
    });
    const heard = jobs.peek().find((job) => String(job.id) === id);
    if (heard && isOver(heard)) return heard;
    upsert(await get<Job>(`/api/v1/jobs/${encodeURIComponent(id)}`));
  }
}

// Throws Problem; of a cancelled job one with the code "cancelled".
export async function runJob(path: string, body: unknown, title: string, name: string, started: (id: string) => void): Promise<Result> {
  const answer = await call<{ job?: Job | string } & Partial<Job>>("POST", path, body);
  const told = typeof answer.job === "object" ? answer.job : undefined;
  const id = String(told?.id ?? answer.job ?? answer.id ?? "");
  if (told) upsert(told);
  started(id);
  const job = await follow(id);
  if (job.state !== "done") throw failure(job);
  const audio = await send("GET", `/api/v1/jobs/${encodeURIComponent(id)}/audio`);
  const result = { job, sound: await readSound(await audio.blob(), name), title };
  results.value = [result, ...results.value].slice(0, kMostResults);
  return result;
}

export const cancelJob = (id: string): Promise<unknown> => call("POST", `/api/v1/jobs/${encodeURIComponent(id)}/cancel`);
