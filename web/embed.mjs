// Turns the built page into the table the server serves: node embed.mjs DIST OUT.cpp
// Each file as it is and compressed by brotli and gzip, whichever a browser takes.
import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import path from "node:path";
import { brotliCompressSync, constants, gzipSync } from "node:zlib";

const [dist, out] = process.argv.slice(2);
const kTypes = {
  ".css": "text/css; charset=utf-8",
  ".html": "text/html; charset=utf-8",
  ".js": "text/javascript; charset=utf-8",
  ".svg": "image/svg+xml",
};

async function filesBelow(folder) {
  const files = [];
  for (const entry of await readdir(folder, { withFileTypes: true })) {
    const name = path.join(folder, entry.name);
    if (entry.isDirectory()) files.push(...(await filesBelow(name)));
    else files.push(name);
  }
  return files.sort();
}

// A string literal of any bytes. Three octal digits, so that no digit after them is taken in.
function literal(bytes) {
  const lines = [];
  let line = "";
  for (const byte of bytes) {
    const plain = byte >= 0x20 && byte < 0x7f && byte !== 0x22 && byte !== 0x5c && byte !== 0x3f;
    line += plain ? String.fromCharCode(byte) : `\\${byte.toString(8).padStart(3, "0")}`;
    if (line.length < 4000) continue;
    lines.push(line);
    line = "";
  }
  return [...lines, line].map((text) => `"${text}"`).join("\n");
}

const view = (bytes) => (bytes ? `std::string_view(${literal(bytes)}, ${bytes.length})` : "{}");
const smaller = (bytes, raw) => (bytes.length < raw.length ? bytes : undefined);

const entries = [];
for (const file of await filesBelow(dist)) {
  const raw = await readFile(file);
  const name = `/${path.relative(dist, file).split(path.sep).join("/")}`;
  const type = kTypes[path.extname(file)];
  if (!type) throw new Error(`${name}: no content type is known for it; add one to embed.mjs`);
  const brotli = brotliCompressSync(raw, {
    params: { [constants.BROTLI_PARAM_QUALITY]: 11, [constants.BROTLI_PARAM_SIZE_HINT]: raw.length, [constants.BROTLI_PARAM_LGWIN]: 22 },
  });
  const gzip = gzipSync(raw, { level: 9 });
  const etag = createHash("sha256").update(raw).digest("hex").slice(0, 16);
  entries.push(`    Asset{.path = "${name === "/index.html" ? "/" : name}",
     .content_type = "${type}",
     .body = ${view(raw)},
     .brotli = ${view(smaller(brotli, raw))},
     .gzip = ${view(smaller(gzip, raw))},
     .etag = "\\"${etag}\\"",
     .immutable = ${name.startsWith("/assets/")}}`);
}

await writeFile(
  out,
  `// Made by web/embed.mjs from web/.
#include "server/assets.h"

#include <array>

namespace greenroom::server {
namespace {

constexpr std::array<Asset, ${entries.length}> kAssets = {
${entries.join(",\n")}};

}  // namespace

std::span<const Asset> assets() {
  return kAssets;
}

}  // namespace greenroom::server
`,
);
