// A web server in AssemblyScript: GET /N answers with N bytes of a pattern. Arguments: port, and how many connections it serves.
import { TcpListener, TcpStream, must } from '../../../sdk/wasi/nuse_socket';

const PIECE = 65536;
const body = new Uint8Array(PIECE), request = new ArrayBuffer(4096);

/** N of `GET /N ...`; -1 for anything else. */
function wanted(s: TcpStream): i64 {
  const n = s.read(request);
  const text = n > 0 ? String.UTF8.decodeUnsafe(changetype<usize>(request), n) : '';
  if (!text.startsWith('GET /') || text.indexOf('\r\n\r\n') < 0) return -1;
  return I64.parseInt(text.substring(5, text.indexOf(' ', 5)));
}

function serve(s: TcpStream): void {
  const bytes = wanted(s);
  if (bytes < 0) {
    s.write(String.UTF8.encode('HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n'));
    return;
  }
  must(s.write(String.UTF8.encode(`HTTP/1.1 200 OK\r\nContent-Length: ${bytes.toString()}\r\nConnection: close\r\n\r\n`)), 'write');
  for (let sent: i64 = 0; sent < bytes;) {
    const piece = <i32>min<i64>(bytes - sent, PIECE);
    for (let i = 0; i < piece; i++) body[i] = <u8>(<u32>(sent + i) * 2654435761 >> 24);
    must(s.write(body.buffer, piece), 'write');
    sent += piece;
  }
}

const listener = TcpListener.listen(<u16>I32.parseInt(process.argv[1]));
for (let i = I32.parseInt(process.argv[2]); i > 0; i--) {
  const s = listener.accept();
  serve(s);
  s.close();
}
