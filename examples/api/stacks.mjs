// Where an example runs, as its command line says:
//   node examples/api/NAME.mjs                              two stacks in memory, joined by a cable: one serves, the other asks
//   node examples/api/NAME.mjs --config nuse.conf           serve on the stack of a configuration file (a TAP, say)
//   node examples/api/NAME.mjs --config nuse.conf ADDRESS   ask ADDRESS from that stack; PORT after it, if need be
import { once } from 'node:events';
import { parseArgs } from 'node:util';
import { MemoryVif, Stack } from 'nuse';

/**
 * Run `serve` on a stack, `ask` on one, or both; then close them. `serve` resolves with its socket when that listens; the
 * socket is closed when the other is done, or the program is interrupted. `port`: where ADDRESS is asked by default.
 */
export async function run({ port: usual, serve, ask }) {
  const { values: { config }, positionals: [address, port = usual] } = parseArgs({ options: { config: { type: 'string' } }, allowPositionals: true });
  if (config === undefined) {
    const [a, b] = MemoryVif.pair({ name: 'eth0', mac: '02:00:00:00:00:01' }, { name: 'eth0', mac: '02:00:00:00:00:02' });
    const server = await Stack.create({ text: 'interface eth0\n address 192.0.2.1/24\n', vifs: { eth0: a } });
    const client = await Stack.create({ text: 'interface eth0\n address 192.0.2.2/24\n', vifs: { eth0: b } });
    const socket = await serve(server);
    await ask(client, '192.0.2.1', Number(port));
    socket.close();
    await client.close();
    await server.close();
    return;
  }
  const stack = await Stack.create({ file: config });
  if (address === undefined) {
    const socket = await serve(stack);
    await Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')]);
    socket.close();
  } else await ask(stack, address, Number(port));
  await stack.close();
}
