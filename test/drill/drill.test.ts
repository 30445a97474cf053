// Scripted exchanges, segment by segment and to the millisecond: what Linux does, and what the RFCs say where it leaves them.
import { readdirSync, readFileSync } from 'node:fs';
import { suite } from '../harness/suite.js';
import { parse } from './parse.js';
import { drill } from './run.js';

const FOLDER = new URL('../../../../test/drill/', import.meta.url);
const test = suite('drill');

for (const file of readdirSync(FOLDER).filter((f) => f.endsWith('.drill')).sort()) {
  for (const script of parse(readFileSync(new URL(file, FOLDER), 'utf8'), file)) test(`${file}: ${script.title}`, () => drill(script, file));
}

test.run();
