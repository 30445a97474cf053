// A simulated web server behind 50 ms of link, joined to tap0 of the namespace it is started in: for realtime.test.ts.
import { readFileSync } from 'node:fs';
import { CORE_WASM } from '../../host/cli/install.js';
import { runInRealTime } from '../../host/cli/sim_realtime.js';
import { ScenarioRun } from '../../host/sim/run.js';
import { scenarioOf } from '../../host/sim/scenario_file.js';

const scenario = scenarioOf({
  duration: '60s',
  links: [{ name: 'access', between: ['gateway', 'tap:tap0'] }, { name: 'far', between: ['gateway', 'server'], rate: '10Mbit', delay: '50ms' }],
});
const run = await ScenarioRun.create(scenario, { module: new WebAssembly.Module(readFileSync(CORE_WASM)), realtime: true });
const listener = run.nodes.get('server')!.sockets.listener(4), body = 'simulated '.repeat(10_000);
listener.listen('0.0.0.0', 80);
listener.onconnection = () => {
  for (let s = listener.accept(); s; s = listener.accept()) {
    const socket = s;
    let left = new TextEncoder().encode(`HTTP/1.1 200 OK\r\nContent-Length: ${body.length}\r\nConnection: close\r\n\r\n${body}`);
    const send = (): void => {
      left = left.subarray(socket.write(left));
      if (left.length) return;
      socket.onwritable = undefined;
      socket.shutdown();
    };
    socket.onwritable = send;
    socket.onreadable = () => {
      if (socket.read(() => undefined) && left.length) send();
    };
    socket.onend = () => { socket.close(); };
  }
};
await runInRealTime(run, (line) => { console.error(line); });
