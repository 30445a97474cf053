// The tests of Node's shapes (test/sockets/api.ts) between two stacks of two workers each, over the veth pair a0 - b0 of this namespace. Run by workers.test.ts.
import { suite } from 'uvu';
import { Stack } from '../../host/index.js';
import { apiTests } from '../sockets/api.js';
import { A4, B4 } from '../sockets/local.js';

const wasm = new URL(`../../../${process.env.NUSE_TEST_CORE ?? 'core.debug.wasm'}`, import.meta.url);
const open = (dev: string, address: string): Promise<Stack> =>
  Stack.create({ wasm, workers: 2, text: `interface eth0\n viftype RAW\n dev ${dev}\n address ${address}/24\n` });

const test = suite('stacks of two workers');
const client = await open('a0', A4), server = await open('b0', B4);
apiTests(test, () => ({ client, server, to: B4, from: A4 }));
test.after(async () => {
  await client.close();
  await server.close();
});
test.run();
