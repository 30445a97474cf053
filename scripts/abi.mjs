// Derive host/abi/constants.ts from the assembly sources, the one source of truth of the ABI.
// Copies `export const NAME: u32 = <literal>` and every `export const enum`, the latter also as a name table.
import { readFileSync, writeFileSync } from 'node:fs';

const SOURCES = ['assembly/abi.ts', 'assembly/core/drop.ts', 'assembly/core/mib.ts', 'assembly/core/sysctl.ts', 'assembly/control/device_conf.ts'];
const ENUMS_WITH_NAMES = new Set(['Errno', 'Drop', 'Mib', 'Sysctl', 'Usage']);

/** The text of host/abi/constants.ts for these sources. */
export function derive() {
  let out = '// Generated from assembly/ by scripts/abi.mjs; do not edit.\n/* eslint-disable */\n\n';
  for (const file of SOURCES) {
    const src = readFileSync(file, 'utf8').replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*$/gm, '');
    if (file.endsWith('abi.ts'))
      for (const m of src.matchAll(/^export const (\w+): u32 = (\w+);/gm)) out += `export const ${m[1]} = ${m[2]};\n`;
    for (const m of src.matchAll(/^export const enum (\w+) \{([^}]*)\}/gm)) {
      let next = 0;
      const members = m[2].split(',').map((s) => s.trim()).filter(Boolean).map((s) => {
        const [name, value] = s.split('=').map((x) => x.trim());
        const n = value === undefined ? next : Number(value);
        if (!Number.isInteger(n)) throw new Error(`${file}: ${m[1]}.${name} is not a literal`);
        next = n + 1;
        return [name, n];
      });
      out += `\nexport const ${m[1]} = {\n${members.map(([k, v]) => `  ${k}: ${v},\n`).join('')}} as const;\n`;
      if (ENUMS_WITH_NAMES.has(m[1]))
        out += `/** ${m[1]} value -> name. */\nexport const ${m[1]}Name: Readonly<Record<number, string>> = Object.fromEntries(Object.entries(${m[1]}).map(([k, v]) => [v, k]));\n`;
    }
  }
  return out;
}

const TARGET = 'host/abi/constants.ts';
if (process.argv[2] === '--check') {
  if (readFileSync(TARGET, 'utf8') !== derive()) {
    console.error(`${TARGET} is stale: run npm run build`);
    process.exit(1);
  }
} else writeFileSync(TARGET, derive());
