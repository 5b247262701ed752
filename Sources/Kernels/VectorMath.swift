// Exponential, normal distribution and square root of sixteen numbers at once, without branches or tables. The errors given
// are the worst found over every fifth float or more; coefficients are minimax fits of our own (Lawson's iteration on
// Chebyshev nodes, coefficients rounded to f32 one at a time, the others refitted).

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

/// The standard normal distribution at x: Φ(x) = ½·(1 + erf(x/√2)) to 9e-8 and φ(x) = e^(−x²/2) / √(2π) to 5e-8.
///
/// Φ(−|x|) = e^(−x²/2)·q(|x|), so that both need one exponential; q is a polynomial around 1, fitted up to |x| = 5 and
/// constant beyond. The errors are absolute.
package struct NormalDistribution {
  package let cumulative: Vector
  package let density: Vector

  @inline(__always) package init(_ x: Vector) {
    let zero = Vector(repeating: 0)
    let bell = exponential(x * x * -0.5)
    let magnitude = x.replacing(with: zero - x, where: x .< zero)
    let end = Vector(repeating: 5)
    let t = magnitude.replacing(with: end, where: magnitude .> end) - Vector(repeating: 1.0)
    var q = Vector(repeating: 0x1.77b70ap-25)
    q = Vector(repeating: -0x1.8d548cp-21).addingProduct(q, t)
    q = Vector(repeating: 0x1.735c40p-18).addingProduct(q, t)
    q = Vector(repeating: -0x1.ae4f70p-16).addingProduct(q, t)
    q = Vector(repeating: 0x1.8315a6p-14).addingProduct(q, t)
    q = Vector(repeating: -0x1.433646p-12).addingProduct(q, t)
    q = Vector(repeating: 0x1.08f930p-10).addingProduct(q, t)
    q = Vector(repeating: -0x1.9eb5eep-9).addingProduct(q, t)
    q = Vector(repeating: 0x1.2f575ap-7).addingProduct(q, t)
    q = Vector(repeating: -0x1.9b0426p-6).addingProduct(q, t)
    q = Vector(repeating: 0x1.fcc76ep-5).addingProduct(q, t)
    q = Vector(repeating: -0x1.195242p-3).addingProduct(q, t)
    q = Vector(repeating: 0x1.0bdb2ep-2).addingProduct(q, t)
    cumulative = Vector(repeating: 1).addingProduct(zero - bell, q).replacing(with: bell * q, where: x .< zero)
    density = bell * Float(0x1.988454p-2)
  }
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
