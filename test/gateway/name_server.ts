// A name server that knows one name: host.nuse.test is 192.0.2.53.
import { createSocket } from 'node:dgram';
import { createServer } from 'node:net';

const NAME = Buffer.from('\x04host\x04nuse\x04test\x00', 'latin1');
const ADDRESS = [192, 0, 2, 53];

function answer(query: Buffer): Buffer {
  const end = query.indexOf(0, 12) + 5, question = query.subarray(12, end);
  const known = question.subarray(0, NAME.length).toString('latin1').toLowerCase() === NAME.toString('latin1');
  const a = known && question.readUInt16BE(NAME.length) === 1;
  const head = Buffer.from([query[0], query[1], 0x81, known ? 0x80 : 0x83, 0, 1, 0, a ? 1 : 0, 0, 0, 0, 0]);
  const record = a ? Buffer.from([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, ...ADDRESS]) : Buffer.alloc(0);
  return Buffer.concat([head, question, record]);
}

/** Serve at port 53 of `address`. */
export async function nameServer(address: string): Promise<{ close(): void }> {
  const udp = createSocket('udp4').on('message', (m, from) => udp.send(answer(m), from.port, from.address));
  const tcp = createServer((s) => {
    let have = Buffer.alloc(0);
    s.on('data', (d: Buffer) => {
      have = Buffer.concat([have, d]);
      if (have.length < 2 || have.length < 2 + have.readUInt16BE(0)) return;
      const a = answer(have.subarray(2));
      s.end(Buffer.concat([Buffer.from([a.length >> 8, a.length & 255]), a]));
    });
  });
  await new Promise<void>((done) => udp.bind(53, address, done));
  await new Promise<void>((done) => tcp.listen(53, address, done));
  return {
    close: () => {
      udp.close();
      tcp.close();
    },
  };
}
