// Node's own HTTP client: fetches N bytes several times over one kept connection, checks each of them, and waits a second in between.
import { get } from 'node:http';

export default async function client(node) {
  const [host, port, bytes, times] = node.args;
  let got = 0, wrong = 0;
  const start = Date.now();
  for (let i = 0; i < Number(times); i++) {
    const response = await new Promise((resolve, reject) => { get({ agent: node.agent, host, port, path: `/${bytes}` }, resolve).on('error', reject); });
    let at = 0;
    for await (const piece of response) for (const byte of piece) if (byte !== at++ % 251) wrong++;
    got += at;
    node.log(`${at} bytes, ${wrong} wrong, ${response.headers.date}`);
    await node.sleep(1000);
  }
  node.report('bytes', got);
  node.report('wrong', wrong);
  node.log(`${Date.now() - start} ms`);
}
