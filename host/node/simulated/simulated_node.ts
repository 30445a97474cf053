// A simulated node as a TypeScript application has it: sockets with the shapes of Node's net and dgram, HTTP over them, and virtual time.
import { Agent, createServer as createHttp, type RequestListener, type Server as HttpServer, type ServerOptions as HttpOptions } from 'node:http';
import { isIP, type LookupFunction } from 'node:net';
import type { NodeLookup } from '../../sim/make_app.js';
import { WALL_START, type SimNode } from '../../sim/node.js';
import type { SocketProvider } from '../../sockets/endpoints.js';
import { NetApi } from '../net_api.js';
import type { Network } from '../network.js';
import { LookupError } from '../resolver.js';
import { SimTimers, type SimTimer } from './timers.js';

/** dns.lookup among the nodes of the scenario; told in a later tick. */
function lookupOf(names: NodeLookup): LookupFunction {
  return (hostname, options, callback) => {
    const wanted = options.family === 'IPv6' ? 6 : options.family === 'IPv4' ? 4 : options.family ?? 0;
    const found = (isIP(hostname) ? [hostname] : names(hostname)).map((address) => ({ address, family: isIP(address) })).filter((a) => !wanted || a.family === wanted);
    process.nextTick(() => {
      if (!found.length) callback(new LookupError('ENOTFOUND', hostname), [] as never);
      else if (options.all) callback(null, found);
      else callback(null, found[0].address, found[0].family);
    });
  };
}

export class SimulatedNode extends NetApi {
  /** dns.lookup: names of nodes, `localhost`. */
  readonly lookup: LookupFunction;
  readonly timers: SimTimers;
  /** For http.request and http.get: `{ agent: node.agent, host: 'server' }`. */
  readonly agent: Agent;
  /** Sockets below Node's shapes. */
  readonly sockets: SocketProvider;
  protected readonly network: Network;

  constructor(private readonly node: SimNode, readonly args: readonly string[], names: NodeLookup, private readonly told: { log: string[]; figures: Map<string, number> }) {
    super();
    this.lookup = lookupOf(names);
    this.timers = new SimTimers(node);
    this.sockets = node.settlingSockets();
    this.network = { provider: this.sockets, lookup: this.lookup, timers: this.timers, hold: () => undefined };
    this.agent = Object.assign(new Agent({ keepAlive: true }), { createConnection: this.createConnection });
  }

  get name(): string { return this.node.name; }
  /** ns since the start of the run. */
  get now(): number { return this.node.sim.now; }
  /** Let ms pass. */
  sleep(ms: number): Promise<void> { return new Promise((resolve) => { this.setTimeout(resolve, ms); }); }
  setTimeout(fn: () => void, ms: number): SimTimer { return this.timers.setTimeout(fn, ms); }
  clearTimeout(timer: SimTimer | undefined): void { this.timers.clearTimeout(timer); }

  /** A line of the application's output. */
  log(line: string): void { this.told.log.push(line); }
  /** A figure of the application: `APP.NAME` in the report, for `expect`. */
  report(name: string, value: number): void { this.told.figures.set(name, value); }

  /** http.createServer, whose listen, close and address are those of this node, and whose Date header is the run's. */
  createHttpServer(options: HttpOptions | RequestListener, listener?: RequestListener): HttpServer {
    const given = typeof options === 'function' ? {} : options;
    // The checks that these bound run on the process's clock; what is idle is closed by keepAliveTimeout, on the socket's.
    const http = createHttp({ ...given, requestTimeout: 0, headersTimeout: 0 }, typeof options === 'function' ? options : listener);
    const net = this.createServer({ allowHalfOpen: true }, (socket) => { http.emit('connection', socket); });
    http.prependListener('request', (_request, response) => {
      response.sendDate = false;
      response.setHeader('Date', new Date(Number(WALL_START / 1_000_000n) + Math.floor(this.now / 1e6)).toUTCString());
    });
    for (const event of ['listening', 'error', 'close']) net.on(event, (...args: unknown[]) => http.emit(event, ...args));
    return Object.assign(http, {
      listen: (...args: Parameters<typeof net.listen>) => {
        net.listen(...args);
        return http;
      },
      close: (callback?: (error?: Error) => void) => {
        net.close(callback);
        http.closeIdleConnections();
        return http;
      },
      address: () => net.address(),
    });
  }
}
