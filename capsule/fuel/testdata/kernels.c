// The kernels that the cost of metering is measured on: tight loops, calls,
// recursion, indirect calls, branches, bulk and vector code. kernels.wasm is
// this file, compiled by
//
//   clang --target=wasm32 -nostdlib -O2 -mbulk-memory -Wl,--no-entry \
//     -o kernels.wasm kernels.c
//
// so that a run needs no C compiler.

typedef unsigned char u8;
typedef unsigned int u32;

#define KERNEL(n) __attribute__((export_name(#n))) u32 n(void)

static u32 next(u32 *x) { return *x = *x * 1664525u + 1013904223u; }

// Recursion.
static u32 fibonacci(u32 n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
KERNEL(fib) { return fibonacci(27); }

// Short inner loops with unforeseeable ends.
static u32 numbers[1 << 15];
static void quicksort(int lo, int hi) {
  while (lo < hi) {
    u32 pivot = numbers[(lo + hi) >> 1];
    int i = lo, j = hi;
    while (i <= j) {
      while (numbers[i] < pivot) i++;
      while (numbers[j] > pivot) j--;
      if (i <= j) {
        u32 t = numbers[i];
        numbers[i++] = numbers[j];
        numbers[j--] = t;
      }
    }
    if (j - lo < hi - i) {
      quicksort(lo, j);
      lo = i;
    } else {
      quicksort(i, hi);
      hi = j;
    }
  }
}
KERNEL(sort) {
  u32 x = 1;
  for (int i = 0; i < 1 << 15; i++) numbers[i] = next(&x);
  quicksort(0, (1 << 15) - 1);
  return numbers[100];
}

// The worst case: one load, one store, one turn.
static u8 to[1 << 20], from[1 << 20];
KERNEL(bytes) {
  for (int i = 0; i < 1 << 20; i++) {
    to[i] = from[i] + 1;
    __asm__ volatile("");
  }
  return to[77];
}

// Bulk copies, long and short.
KERNEL(bulk) {
  for (int r = 0; r < 32; r++) {
    __builtin_memcpy(to, from, sizeof to);
    from[r]++;
  }
  return to[5];
}
KERNEL(bits) {
  u32 s = 0;
  for (int i = 0; i < 200000; i++) {
    __builtin_memcpy(to + (i & 1023) * 64, from + (i & 511) * 32, 48 + (i & 15));
    s += to[i & 0xffff];
  }
  return s;
}

KERNEL(mandelbrot) {
  u32 c = 0;
  for (int y = 0; y < 128; y++)
    for (int x = 0; x < 128; x++) {
      double cr = x / 64.0 - 1.5, ci = y / 64.0 - 1, zr = 0, zi = 0;
      int k = 0;
      while (k < 100 && zr * zr + zi * zi < 4) {
        double t = zr * zr - zi * zi + cr;
        zi = 2 * zr * zi + ci;
        zr = t;
        k++;
      }
      c += k;
    }
  return c;
}

// Indirect calls of tiny functions.
typedef u32 (*step)(u32);
static u32 step0(u32 x) { return x + 1; }
static u32 step1(u32 x) { return x * 3; }
static u32 step2(u32 x) { return x ^ 0x55; }
static u32 step3(u32 x) { return x >> 1; }
static step volatile steps[4] = {step0, step1, step2, step3};
KERNEL(indirect) {
  u32 x = 1;
  for (int i = 0; i < 1000000; i++) x = steps[(x + i) & 3](x);
  return x;
}

// Chains in a hash table.
static u32 head[1 << 14], chain[1 << 14];
KERNEL(hash) {
  u32 hits = 0;
  for (int r = 0; r < 8; r++) {
    for (int i = 0; i < 1 << 14; i++) head[i] = 0;
    for (u32 i = 1; i < 1 << 14; i++) {
      u32 k = (i * 2654435761u) >> 18;
      chain[i] = head[k];
      head[k] = i;
    }
    for (u32 i = 0; i < 1 << 15; i++)
      for (u32 e = head[(i * 2654435761u) >> 18]; e; e = chain[e])
        if (e == i) {
          hits++;
          break;
        }
  }
  return hits;
}

static int board[16];
static int place(int n, int row) {
  if (row == n) return 1;
  int c = 0;
  for (int i = 0; i < n; i++) {
    int ok = 1;
    for (int j = 0; j < row; j++) {
      int d = board[j] - i;
      if (!d || d == row - j || d == j - row) {
        ok = 0;
        break;
      }
    }
    if (ok) {
      board[row] = i;
      c += place(n, row + 1);
    }
  }
  return c;
}
KERNEL(queens) { return place(8, 0); }

// An interpreter's switch.
KERNEL(machine) {
  static const u8 program[] = {0, 1, 2, 3, 4, 5, 2, 1, 0, 3, 6};
  u32 pc = 0, acc = 1, n = 0;
  while (n < 1000000) {
    switch (program[pc]) {
      case 0: acc += n; break;
      case 1: acc ^= acc << 5; break;
      case 2: acc -= 7; break;
      case 3: acc *= 3; break;
      case 4: acc >>= 1; break;
      case 5: acc |= 1; break;
      case 6: pc = (u32)-1; break;
    }
    pc++;
    n++;
  }
  return acc;
}

static const u32 K[64] = {
  0x428a2f98,0x71374491,0xb5c0fbcf,0xe9b5dba5,0x3956c25b,0x59f111f1,0x923f82a4,0xab1c5ed5,
  0xd807aa98,0x12835b01,0x243185be,0x550c7dc3,0x72be5d74,0x80deb1fe,0x9bdc06a7,0xc19bf174,
  0xe49b69c1,0xefbe4786,0x0fc19dc6,0x240ca1cc,0x2de92c6f,0x4a7484aa,0x5cb0a9dc,0x76f988da,
  0x983e5152,0xa831c66d,0xb00327c8,0xbf597fc7,0xc6e00bf3,0xd5a79147,0x06ca6351,0x14292967,
  0x27b70a85,0x2e1b2138,0x4d2c6dfc,0x53380d13,0x650a7354,0x766a0abb,0x81c2c92e,0x92722c85,
  0xa2bfe8a1,0xa81a664b,0xc24b8b70,0xc76c51a3,0xd192e819,0xd6990624,0xf40e3585,0x106aa070,
  0x19a4c116,0x1e376c08,0x2748774c,0x34b0bcb5,0x391c0cb3,0x4ed8aa4a,0x5b9cca4f,0x682e6ff3,
  0x748f82ee,0x78a5636f,0x84c87814,0x8cc70208,0x90befffa,0xa4506ceb,0xbef9a3f7,0xc67178f2};
static u32 ror(u32 x, int n) { return x >> n | x << (32 - n); }
KERNEL(sha256) {
  u32 h[8] = {0x6a09e667,0xbb67ae85,0x3c6ef372,0xa54ff53a,0x510e527f,0x9b05688c,0x1f83d9ab,0x5be0cd19};
  for (u32 o = 0; o < sizeof from; o += 64) {
    u32 w[64];
    for (int i = 0; i < 16; i++) w[i] = __builtin_bswap32(*(u32 *)(from + o + 4 * i));
    for (int i = 16; i < 64; i++) {
      u32 a = w[i - 15], b = w[i - 2];
      w[i] = w[i - 16] + (ror(a, 7) ^ ror(a, 18) ^ a >> 3) + w[i - 7] + (ror(b, 17) ^ ror(b, 19) ^ b >> 10);
    }
    u32 a = h[0], b = h[1], c = h[2], d = h[3], e = h[4], f = h[5], g = h[6], x = h[7];
    for (int i = 0; i < 64; i++) {
      u32 t1 = x + (ror(e, 6) ^ ror(e, 11) ^ ror(e, 25)) + ((e & f) ^ (~e & g)) + K[i] + w[i];
      u32 t2 = (ror(a, 2) ^ ror(a, 13) ^ ror(a, 22)) + ((a & b) ^ (a & c) ^ (b & c));
      x = g; g = f; f = e; e = d + t1; d = c; c = b; b = a; a = t1 + t2;
    }
    h[0] += a; h[1] += b; h[2] += c; h[3] += d; h[4] += e; h[5] += f; h[6] += g; h[7] += x;
  }
  return h[0];
}

#define N 128
static double A[N][N], B[N][N], C[N][N];
KERNEL(matrix) {
  for (int i = 0; i < N; i++)
    for (int j = 0; j < N; j++) {
      A[i][j] = i + j;
      B[i][j] = i - j;
      C[i][j] = 0;
    }
  for (int i = 0; i < N; i++)
    for (int k = 0; k < N; k++) {
      double a = A[i][k];
      for (int j = 0; j < N; j++) C[i][j] += a * B[k][j];
    }
  return (u32)(int)C[17][33];
}

static u8 composite[1 << 20];
KERNEL(sieve) {
  u32 c = 0;
  for (u32 i = 0; i < sizeof composite; i++) composite[i] = 0;
  for (u32 i = 2; i < sizeof composite; i++)
    if (!composite[i]) {
      c++;
      for (u32 j = 2 * i; j < sizeof composite; j += i) composite[j] = 1;
    }
  return c;
}

// A list, a checksum by bits and a state machine.
static struct node { u32 next, v; } nodes[4096];
KERNEL(lists) {
  u32 p = 0, crc = 0xffff;
  for (u32 i = 0; i < 4096; i++) {
    nodes[i].next = (i * 1664525u + 1013904223u) & 4095;
    nodes[i].v = i;
  }
  for (u32 i = 0; i < 300000; i++) {
    p = nodes[p].next ^ (i & 63);
    u32 v = nodes[p].v++;
    for (int k = 0; k < 8; k++) {
      u32 b = (crc ^ v) & 1;
      crc >>= 1;
      if (b) crc ^= 0xA001;
      v >>= 1;
    }
    switch (crc & 7) {
      case 0: crc += 3; break;
      case 1: crc ^= p; break;
      case 3: crc -= i; break;
      case 5: crc = (crc << 1) | 1; break;
      default: crc++;
    }
    crc &= 0xffffff;
  }
  return crc;
}
