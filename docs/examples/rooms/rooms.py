"""A chat whose connections outlive its processes: the handoff contract, version 1, in one file.

GET /NAME is a WebSocket: what one client says, all clients of that room hear, numbered. A room
lives in the memory of one process, its owner. The store, one SQLite file for all processes, knows
who that is and all that was said. Each [n] is a section of docs/handoff-contract.md.
"""
import asyncio, hmac, os, signal, sqlite3, sys
from contextlib import suppress
from websockets.asyncio.server import serve
from websockets.exceptions import ConnectionClosed

ME, PORT, STORE = sys.argv[1], int(sys.argv[2]), sys.argv[3]
KEY = os.environ.get("HOLDFAST_CLUSTER_KEY", "")
rooms = {}  # by name, those that this process owns
db = sqlite3.connect(STORE, isolation_level=None, timeout=10)
db.executescript("""PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; -- outlives kills
    CREATE TABLE IF NOT EXISTS rooms (name PRIMARY KEY, owner, generation);
    CREATE TABLE IF NOT EXISTS connections (id PRIMARY KEY, attempt, accepted);
    CREATE TABLE IF NOT EXISTS said (room, number, text, PRIMARY KEY (room, number));
""")

class Refused(Exception):
    """An answer that takes nothing: its status, and headers that say more. [5]"""
class Room:
    """A session in the memory of its owner."""
    def __init__(self, name, generation):
        self.name, self.generation, self.legs = name, generation, set()
        rows = db.execute("SELECT text FROM said WHERE room = ? ORDER BY number", (name,))
        self.said = [text for (text,) in rows]

class Leg:
    """One dial of a client's connection. The next one, wherever it comes to, takes its place."""
    def __init__(self, socket, room, header, place):
        self.socket, self.room, self.place = socket, room, place
        self.connection = conn = header("Holdfast-Connection")
        self.attempt = attempt = int(header("Holdfast-Attempt"))
        self.news, self.over = asyncio.Event(), False
        with db:  # from here on nothing is accepted from an older leg, wherever it is [2]
            db.execute("BEGIN IMMEDIATE")
            known = "SELECT attempt, accepted FROM connections WHERE id = ?"
            highest, self.accepted = db.execute(known, (conn,)).fetchone() or (0, 0)
            if attempt <= highest:
                raise Refused(409, {"Holdfast-Attempt": str(highest)})
            db.execute("REPLACE INTO connections VALUES (?, ?, ?)", (conn, attempt, self.accepted))
        for older in room.legs:
            if older.connection == conn:
                older.end()
        room.legs.add(self)

    def accept(self, text):
        """Says and counts a message, or does neither: one transaction, fenced twice. [3]"""
        room = self.room
        with db:
            db.execute("BEGIN IMMEDIATE")
            counted = db.execute(
                "UPDATE connections SET accepted = accepted + 1 WHERE id = ? AND attempt = ? "
                "AND EXISTS (SELECT 1 FROM rooms WHERE name = ? AND owner = ? AND generation = ?)",
                (self.connection, self.attempt, room.name, ME, room.generation)).rowcount
            if not counted:
                return self.end()  # a later leg speaks for the client, or another has the room
            db.execute("INSERT INTO said VALUES (?, ?, ?)", (room.name, len(room.said) + 1, text))
        self.accepted += 1
        room.said.append(text)
        for leg in room.legs:
            leg.news.set()

    async def speak(self):
        """Each message behind its name, and how many were accepted. [3]"""
        while not self.over:
            self.news.clear()
            while self.place < len(self.room.said):
                self.place += 1
                await self.socket.pong(f"hf1:id={self.place}")
                await self.socket.send(f"{self.place} {self.room.said[self.place - 1]}")
            await self.socket.pong(f"hf1:accepted={self.accepted}")
            await self.news.wait()
        await self.socket.close(1012)  # "restart": the edge takes the client elsewhere [4]

    def end(self):
        self.over = True
        self.news.set()

def own(name, gone):
    """The room, if it is or may become ours: a compare-and-set picks one of several. [6]"""
    db.execute("INSERT OR IGNORE INTO rooms VALUES (?, NULL, 0)", (name,))
    found = db.execute("SELECT owner, generation FROM rooms WHERE name = ?", (name,))
    owner, generation = found.fetchone()
    if name in rooms and (owner, generation) == (ME, rooms[name].generation):
        return rooms[name]
    if owner not in (None, ME, *gone):
        raise Refused(421, {"Holdfast-Owner": owner})
    claim = "UPDATE rooms SET owner = ?, generation = ? WHERE name = ? AND generation = ?"
    if name in rooms or not db.execute(claim, (ME, generation + 1, name, generation)).rowcount:
        raise Refused(503, {"Retry-After": "1"})  # what we had is about to go, or another was first
    return rooms.setdefault(name, Room(name, generation + 1))

def dialled(socket, request):
    """Is it the edge, may the room be ours, where does it go on? [1]"""
    header = request.headers.get
    if not header("Holdfast-Connection"):
        return socket.respond(200 if request.path == "/" else 404, "\n")  # a probe is for /
    if KEY and not hmac.compare_digest(header("Holdfast-Cluster-Key", ""), KEY):
        return socket.respond(403, "only the edge comes here\n")
    try:
        gone = header("Holdfast-Moved-From", "").replace(" ", "").split(",")
        room = own(request.path.split("?")[0], gone)
        place = header("Last-Event-ID", "0")
        if not place.isdecimal() or int(place) > len(room.said):
            raise Refused(410, {})  # a place that never was: better an end than a silent gap
        socket.leg = Leg(socket, room, header, int(place))
    except Refused as refused:
        answer = socket.respond(refused.args[0], "not here\n")
        answer.headers.update(refused.args[1])
        return answer

def answered(socket, request, answer):
    """What the edge is told, and keeps from the client. [2]"""
    answer.headers["Holdfast-Contract"] = "1"
    if answer.status_code == 101:
        answer.headers["Holdfast-Position"] = str(socket.leg.place)
        answer.headers["Holdfast-Generation"] = str(socket.leg.room.generation)
        answer.headers["Holdfast-Accepted"] = str(socket.leg.accepted)

async def carry(socket):
    leg = socket.leg
    speaking = asyncio.create_task(leg.speak())
    with suppress(ConnectionClosed):
        try:
            async for message in socket:
                leg.accept(str(message))
        finally:
            leg.room.legs.remove(leg)
            leg.end()
            await speaking  # with its 1012: the library's own 1011 would reach the client

async def main():
    stop = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, stop.set)
    async with serve(carry, "127.0.0.1", PORT, process_request=dialled, process_response=answered,
                     compression=None, ping_interval=None):  # its end closes all with 1001 [4]
        while not stop.is_set():
            await asyncio.sleep(0.2)
            owned = dict(db.execute("SELECT name, generation FROM rooms WHERE owner = ?", (ME,)))
            for room in [r for r in rooms.values() if owned.get(r.name) != r.generation]:
                for leg in rooms.pop(room.name).legs:  # taken from us: its clients follow it
                    leg.end()
        db.execute("UPDATE rooms SET owner = NULL WHERE owner = ?", (ME,))  # free to be claimed
asyncio.run(main())
