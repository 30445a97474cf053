// Node's own web server on a simulated node: GET /N answers with N bytes of a pattern.
const PIECE = 65536;

export default async function server(node) {
  const [port, requests] = node.args.map(Number);
  let left = requests;
  const http = node.createHttpServer(async (request, response) => {
    const bytes = Number(request.url.slice(1));
    response.setHeader('Content-Length', bytes);
    for (let sent = 0; sent < bytes; sent += PIECE) {
      const piece = Uint8Array.from({ length: Math.min(PIECE, bytes - sent) }, (_, i) => (sent + i) % 251);
      if (!response.write(piece)) await new Promise((resolve) => { response.once('drain', resolve); });
    }
    response.end();
    if (--left === 0) http.close();
  });
  http.listen(port);
  await new Promise((resolve) => { http.once('close', resolve); });
}
