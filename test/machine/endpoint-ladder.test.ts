/** Which address and which length comes next. */
import t from "tap";
import { EndpointLadder, LENGTHS, type Rung } from "../../lib/session/endpoint-ladder.js";
import type { SocketAddress } from "../../lib/names/resolve.js";

const host = (address: string): SocketAddress => ({ address, family: 4, port: 1405 });
const A = host("192.0.2.1");
const B = host("192.0.2.2");
const C = host("192.0.2.3");
const all = () => true;

function series(ladder: EndpointLadder, count: number, carries: (rung: Rung) => boolean = all): string[] {
  return Array.from({ length: count }, () => {
    const { address, length } = ladder.next(carries);
    return `${address.address.slice(-1)}@${length}`;
  });
}

t.test("one address: twice the configured length, then each shorter one, then again", async (t) => {
  t.same(LENGTHS, [1492, 1420, 1400, 1280]);
  const walk = ["1@1500", "1@1500", "1@1492", "1@1420", "1@1400", "1@1280"];
  t.same(series(new EndpointLadder([A], 1500), 12), [...walk, ...walk]);
  t.same(series(new EndpointLadder([A], 1410), 4), ["1@1410", "1@1410", "1@1400", "1@1280"]);
  t.same(series(new EndpointLadder([A], 500), 3), ["1@500", "1@500", "1@500"], "nothing below 1280 is tried");
});

t.test("several addresses: each in turn, before the next length", async (t) => {
  t.same(series(new EndpointLadder([A, B], 1500), 8), [
    "1@1500",
    "2@1500",
    "1@1500",
    "2@1500",
    "1@1492",
    "2@1492",
    "1@1420",
    "2@1420",
  ]);
});

t.test("the next series begins with what was answered", async (t) => {
  const ladder = new EndpointLadder([A, B, C], 1500);
  ladder.answered({ address: B, length: 1400 });
  t.same(series(ladder, 4), ["2@1400", "3@1400", "1@1400", "2@1400"]);
  ladder.begin();
  t.same(series(ladder, 1), ["2@1400"]);
  ladder.answered({ address: C, length: 1400 });
  const lengths = series(ladder, 18).map((each) => each.slice(2));
  t.same(
    lengths,
    ["1400", "1400", "1280", "1500", "1492", "1420"].flatMap((each) => [each, each, each]),
  );
  t.same(ladder.climb(), { address: C, length: 1500 });
});

t.test("what can't leave is passed over, and if nothing can, nothing is", async (t) => {
  const narrow = ({ length }: Rung) => length <= 1410;
  t.same(series(new EndpointLadder([A, B], 1500), 4, narrow), ["1@1400", "2@1400", "1@1280", "2@1280"]);
  const onlySecond = ({ address }: Rung) => address === B;
  t.same(series(new EndpointLadder([A, B], 1500), 3, onlySecond), ["2@1500", "2@1500", "2@1492"]);
  t.same(
    series(new EndpointLadder([A], 1500), 1, () => false),
    ["1@1500"],
  );
});

t.test("new addresses begin a new series; the same ones in another order change nothing", async (t) => {
  const ladder = new EndpointLadder([A, B], 1500);
  ladder.answered({ address: B, length: 1492 });
  series(ladder, 1);
  ladder.replace([B, A]);
  t.same(series(ladder, 1), ["1@1492"], "the second attempt of the same series");
  ladder.replace([]);
  t.same(series(ladder, 1), ["2@1492"]);
  ladder.replace([C, B]);
  t.same(series(ladder, 2), ["3@1492", "2@1492"]);
});

t.test("a server's limit: the longest that fits", async (t) => {
  const ladder = new EndpointLadder([A], 1500);
  t.ok(ladder.shorten(1410));
  t.same(series(ladder, 2), ["1@1400", "1@1400"]);
  t.notOk(ladder.shorten(1000));
});
