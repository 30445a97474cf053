// GET http://HOST:PORT/N in AssemblyScript: checks every byte of the answer, and tells how long it took, in virtual time.
import { TcpStream, must } from '../../../sdk/wasi/nuse_socket';

const host = process.argv[1], bytes = I64.parseInt(process.argv[3]);
const buffer = new Uint8Array(65536);
const start = Date.now();
const s = TcpStream.connect(host, <u16>I32.parseInt(process.argv[2]));
must(s.write(String.UTF8.encode(`GET /${bytes.toString()} HTTP/1.1\r\nHost: ${host}\r\n\r\n`)), 'write');

// The header ends with an empty line; what follows it is the body's.
let header = '', got: i64 = 0, wrong: i64 = 0;
for (let n = s.read(buffer.buffer); n !== 0; n = s.read(buffer.buffer)) {
  must(n, 'read');
  let from = 0;
  for (; from < n && !header.endsWith('\r\n\r\n'); from++) header += String.fromCharCode(buffer[from]);
  for (let i = from; i < n; i++, got++) if (buffer[i] !== <u8>(<u32>got * 2654435761 >> 24)) wrong++;
}
console.log(`${got.toString()} of ${bytes.toString()} bytes, ${wrong.toString()} wrong, ${(Date.now() - start).toString()} ms`);
process.exit(header.startsWith('HTTP/1.1 200 ') && got === bytes && wrong === 0 ? 0 : 4);
