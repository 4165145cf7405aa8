"""Maps, splits, forks and threads: what the Python interpreter asks of mm."""
import mmap, os, threading

area = mmap.mmap(-1, 64 * mmap.PAGESIZE, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
area.madvise(mmap.MADV_DONTNEED, 8 * mmap.PAGESIZE, 8 * mmap.PAGESIZE)
area.madvise(mmap.MADV_HUGEPAGE, 0, 16 * mmap.PAGESIZE)
shared = mmap.mmap(-1, 4 * mmap.PAGESIZE)
pid = os.fork()
if pid == 0:
    shared[0] = 1
    os._exit(0)
os.waitpid(pid, 0)
threads = [threading.Thread(target=lambda: bytearray(1 << 20)) for _ in range(3)]
for t in threads: t.start()
for t in threads: t.join()
blocks = [bytearray(n << 12) for n in range(1, 200, 7)]
del blocks
area.close()
