// `echo N`: sends N datagrams back to whom they came from. `ask HOST N`: sends N, a second apart, and tells what comes back.
import { UdpSocket, must, sleep } from '../../../sdk/wasi/nuse_socket';

const buffer = new ArrayBuffer(1500);
if (process.argv[1] === 'echo') {
  const s = UdpSocket.bind(7);
  for (let i = I32.parseInt(process.argv[2]); i > 0; i--) must(s.reply(buffer, must(s.receive(buffer), 'receive')), 'reply');
} else {
  const s = UdpSocket.bind(0);
  for (let i = 0; i < I32.parseInt(process.argv[3]); i++) {
    must(s.send(String.UTF8.encode(`number ${i.toString()}`), process.argv[2], 7), 'send');
    const n = must(s.receive(buffer), 'receive');
    console.log(`${String.UTF8.decodeUnsafe(changetype<usize>(buffer), n)} at ${Math.floor(performance.now() / 1000).toString()} s`);
    sleep(1_000_000_000);
  }
}
