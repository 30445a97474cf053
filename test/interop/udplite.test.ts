// UDP-Lite between programs on nuse and the kernel, either asking, over both families; whole and in fragments.
import { fileURLToPath } from 'node:url';
import { suite } from 'uvu';
import * as assert from 'uvu/assert';
import { Lab } from './lab.js';
import { NUSE4, NUSE6, PEER4, PEER6, wire, type Wire } from './wire.js';

const test = suite('udplite');
const lab = new Lab(), script = fileURLToPath(new URL('../../../../test/interop/udplite.py', import.meta.url));
let w: Wire;
test.before(() => { w = wire(lab, 'TAP'); });
test.after(() => lab.close());

for (const [us, peer] of [[NUSE4, PEER4], [NUSE6, PEER6]]) {
  test(`${us} and ${peer}: every answer is what was sent, and no checksum is wrong`, async () => {
    const capture = await lab.capture(w.peer, w.dev, `${us.replace(/\W/g, '_')}.pcap`);
    for (const [server, client, at] of [['kernel', 'nuse', peer], ['nuse', 'kernel', us]]) {
      const start = (who: string, what: string) => {
        const argv = ['/usr/bin/python3', '-u', script, what, at, '4000'];
        return who === 'kernel' ? lab.run(w.peer, argv) : lab.nuse(w.ns, ['-c', w.conf, '--', ...argv]);
      };
      const echo = start(server, 'echo');
      await echo.until(/up/);
      const end = await start(client, 'ask').finish(30000);
      assert.match(end.stdout, /^same 32$/m, `${client} asks ${server}: ${end.stdout}${end.stderr}`);
      echo.kill('SIGTERM');
      await echo.done;
    }
    await new Promise((r) => setTimeout(r, 1000)); // what tcpdump has not written yet
    await capture.stop();
    const rows = lab.sh(w.peer, `tshark -n -r ${capture.file} -o udplite.check_checksum:TRUE -o udplite.ignore_checksum_coverage:FALSE -Y udplite -T fields -e udp.checksum.status`).trim().split('\n');
    assert.ok(rows.length >= 128 && rows.every((r) => r === '1'), `${rows.length} datagrams: ${[...new Set(rows)].join(', ')}`);
  });
}
test.run();
