// The official openai client against the real daemon with the demo models.
//
//   node client.mjs GREENROOM WORK_DIR
import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { mkdirSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import OpenAI, { NotFoundError, BadRequestError, AuthenticationError } from 'openai';

const [program, work] = process.argv.slice(2);
rmSync(work, { recursive: true, force: true });
mkdirSync(work, { recursive: true });
writeFileSync(join(work, 'config.yaml'), 'system: {cache_dir: cache, device: cpu}\nui: {api_key: secret}\n');

const environment = Object.fromEntries(
  Object.entries(process.env).filter(([name]) => !name.startsWith('GREENROOM_') && !name.startsWith('CREATYOURVOICE_')),
);
const daemon = spawn(program, ['--config', join(work, 'config.yaml'), 'serve', '--port', '0'], {
  env: environment,
  stdio: ['ignore', 'pipe', 'inherit'],
});
const ended = new Promise((resolve) => daemon.on('exit', (code, signal) => resolve({ code, signal })));

// The address is in its first line.
const url = await new Promise((resolve, reject) => {
  let output = '';
  daemon.stdout.on('data', (chunk) => {
    output += chunk;
    const found = output.match(/http:\/\/[^\s]+/);
    if (found) resolve(found[0]);
  });
  ended.then(({ code, signal }) => reject(new Error(`the daemon ended: ${code ?? signal}`)));
});

async function demo() {
  const headers = { authorization: 'Bearer secret', 'content-type': 'application/json' };
  const { job } = await (await fetch(`${url}/api/v1/demo`, { method: 'POST', headers, body: '{}' })).json();
  for (;;) {
    const now = await (await fetch(`${url}/api/v1/jobs/${job.id}`, { headers })).json();
    if (now.state === 'done') return;
    assert.ok(['queued', 'running'].includes(now.state), JSON.stringify(now));
  }
}

const quick = { num_beams: 1, max_mel_tokens: 20, diffusion_steps: 1, max_text_tokens_per_segment: 20 };
const speech = (more = {}) => ({ model: 'demo/index_tts', voice: 'demo', input: 'Hello there.', ...quick, ...more });
const bytes = async (answer) => Buffer.from(await answer.arrayBuffer());

try {
  await demo();
  const client = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'secret', maxRetries: 0 });

  const models = [];
  for await (const model of client.models.list()) models.push(model.id);
  assert.deepEqual(models, ['demo/index_tts']);
  assert.equal((await client.models.retrieve('demo/index_tts')).object, 'model');

  const magic = { wav: 'RIFF', flac: 'fLaC', opus: 'OggS', mp3: null, pcm: null };
  for (const [response_format, start] of Object.entries(magic)) {
    const audio = await bytes(await client.audio.speech.create(speech({ response_format })));
    assert.ok(audio.length > 500, `${response_format}: ${audio.length} bytes`);
    if (start) assert.equal(audio.subarray(0, 4).toString('latin1'), start);
  }

  const usual = await client.audio.speech.create(speech());
  assert.equal(usual.headers.get('content-type'), 'audio/mpeg');
  await bytes(usual);

  const pcm = speech({ response_format: 'pcm' });
  const normal = (await bytes(await client.audio.speech.create(pcm))).length;
  const fast = (await bytes(await client.audio.speech.create({ ...pcm, speed: 2 }))).length;
  assert.ok(Math.abs(normal / fast - 2) < 0.02, `${normal} and ${fast} bytes`);

  // As it is made.
  const stream = await client.audio.speech.create(
    speech({ input: 'One two three. Four five six. Seven eight nine.', response_format: 'pcm', stream: true }),
  );
  let chunks = 0;
  let size = 0;
  for await (const chunk of stream.body) {
    chunks += 1;
    size += chunk.length;
  }
  assert.ok(chunks > 1 && size > normal, `${chunks} chunks, ${size} bytes`);

  await assert.rejects(client.audio.speech.create(speech({ model: 'gpt-9' })), (error) => {
    assert.ok(error instanceof NotFoundError);
    assert.equal(error.code, 'model_not_found');
    return true;
  });
  await assert.rejects(client.audio.speech.create(speech({ response_format: 'aac' })), BadRequestError);
  await assert.rejects(client.audio.speech.create(speech({ speed: 9 })), BadRequestError);
  await assert.rejects(client.audio.speech.create(speech({ voice: 'nobody' })), /there is no voice "nobody"/);
  const stranger = new OpenAI({ baseURL: `${url}/v1`, apiKey: 'wrong', maxRetries: 0 });
  await assert.rejects(stranger.models.list(), AuthenticationError);

  // Who goes away gets no more.
  const abort = new AbortController();
  const left = client.audio.speech.create(speech({ diffusion_steps: 900 }), { signal: abort.signal });
  abort.abort();
  await assert.rejects(left);
  console.log(`the openai client works: ${models.length} model, 5 formats, ${chunks} chunks`);
} finally {
  daemon.kill('SIGTERM');
  const { code, signal } = await ended;
  if (code !== 0) throw new Error(`the daemon ended with ${code ?? signal}`);
}
