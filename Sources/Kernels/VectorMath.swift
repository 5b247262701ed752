// Exponential and error function for sixteen numbers at once, without branches or tables. The errors given are the worst
// found over every third float; coefficients are minimax fits of our own (Lawson's iteration on Chebyshev nodes,
// coefficients rounded to f32 one at a time, the others refitted).

/// e^x to 1.01 ulp.
///
/// x = n·ln 2 + r with |r| ≤ ½ ln 2; e^x = 2ⁿ·(1 + r + r²·q(r)). Results below 2⁻¹²⁵ are zero, above the largest float
/// infinite; e^NaN is NaN.
@inline(__always) package func exponential(_ x: Vector) -> Vector {
  let lowest = Vector(repeating: -86.6)
  let highest = Vector(repeating: 89)
  let bounded = x.replacing(with: lowest, where: x .< lowest).replacing(with: highest, where: x .> highest)

  // Adding 1.5·2²³ rounds to an integer and leaves that integer in the low bits.
  let rounder = Vector(repeating: 0x1.8p23)
  let shifted = rounder.addingProduct(bounded, Vector(repeating: 0x1.715476p0))
  let n = shifted - rounder
  let r = bounded.addingProduct(n, Vector(repeating: -0x1.62e4p-1))
    .addingProduct(n, Vector(repeating: -0x1.7f7d1cp-20))

  var q = Vector(repeating: 0x1.6a224ep-10)
  q = Vector(repeating: 0x1.123b04p-7).addingProduct(q, r)
  q = Vector(repeating: 0x1.5558f8p-5).addingProduct(q, r)
  q = Vector(repeating: 0x1.555490p-3).addingProduct(q, r)
  q = Vector(repeating: 0x1.fffffcp-2).addingProduct(q, r)
  let p = r.addingProduct(q, r * r) + Vector(repeating: 1)

  // 2ⁿ as 2·2ⁿ⁻¹, because 2¹²⁸ has no float of its own.
  let exponent = (unsafeBitCast(shifted, to: SIMD16<UInt32>.self) &+ SIMD16(repeating: 126)) &<< SIMD16(repeating: 23)
  let result = (p + p) * unsafeBitCast(exponent, to: Vector.self)
  return result.replacing(with: Vector(repeating: 0), where: x .< lowest)
}

/// 1 / (1 + e^−x) to 2.5 ulp.
@inline(__always) package func logistic(_ x: Vector) -> Vector {
  Vector(repeating: 1) / (Vector(repeating: 1) + exponential(Vector(repeating: 0) - x))
}

/// erf x = 2/√π ∫₀ˣ e^(−t²) dt, to 1.2 ulp.
///
/// Below 475/512: x + x·P(x²). Above: ±(1 − e^−(t + t·Q(t))), t = |x|, the exponent being a fit of −ln(1 − erf t).
@inline(__always) package func errorFunction(_ x: Vector) -> Vector {
  let zero = Vector(repeating: 0)
  let square = x * x
  var p = Vector(repeating: -0x1.38b382p-11)
  p = Vector(repeating: 0x1.46e520p-8).addingProduct(p, square)
  p = Vector(repeating: -0x1.b67cc4p-6).addingProduct(p, square)
  p = Vector(repeating: 0x1.ce196ep-4).addingProduct(p, square)
  p = Vector(repeating: -0x1.8126e0p-2).addingProduct(p, square)
  p = Vector(repeating: 0x1.06eba6p-3).addingProduct(p, square)
  let near = x.addingProduct(p, x)

  let magnitude = x.replacing(with: zero - x, where: x .< zero)
  let saturated = Vector(repeating: 3.95)  // erf rounds to 1 from 3.92 on
  let t = magnitude.replacing(with: saturated, where: magnitude .> saturated)
  var q = Vector(repeating: -0x1.c03768p-13)
  q = Vector(repeating: 0x1.a51c42p-9).addingProduct(q, t)
  q = Vector(repeating: -0x1.76ea9ep-6).addingProduct(q, t)
  q = Vector(repeating: 0x1.af1bc0p-4).addingProduct(q, t)
  q = Vector(repeating: 0x1.457df2p-1).addingProduct(q, t)
  q = Vector(repeating: 0x1.073144p-3).addingProduct(q, t)
  let far = Vector(repeating: 1) - exponential(zero - t.addingProduct(q, t))
  let signed = far.replacing(with: zero - far, where: x .< zero)
  return near.replacing(with: signed, where: magnitude .> Vector(repeating: 475.0 / 512))
}

/// √x, correctly rounded for x ≥ 2⁻¹⁰⁰; below 2⁻¹²⁶, and for negative x, zero.
///
/// The standard library's square root sets `errno` on Linux and is therefore one call a lane. This one starts from the
/// exponent's half (Lomont: Fast inverse square root, 2003), takes three Newton steps towards 1/√x and corrects x·(1/√x) by its
/// residual (Markstein: Computation of elementary functions on the IBM RISC System/6000, 1990).
@inline(__always) package func squareRoot(_ x: Vector) -> Vector {
  let bits =
    SIMD16<UInt32>(repeating: 0x5f37_5a86) &- (unsafeBitCast(x, to: SIMD16<UInt32>.self) &>> SIMD16(repeating: 1))
  let negativeHalf = x * -0.5
  let threeHalves = Vector(repeating: 1.5)
  var y = unsafeBitCast(bits, to: Vector.self)
  y = y * threeHalves.addingProduct(negativeHalf * y, y)
  y = y * threeHalves.addingProduct(negativeHalf * y, y)
  y = y * threeHalves.addingProduct(negativeHalf * y, y)
  let root = x * y
  let residual = x.addingProduct(Vector(repeating: 0) - root, root)
  let result = root.addingProduct(residual, y * 0.5)
  return result.replacing(with: x, where: x .== Vector(repeating: .infinity))
    .replacing(with: Vector(repeating: 0), where: x .< Vector(repeating: .leastNormalMagnitude))
}
