import Foundation

/// Where times lie on the picture, and the marks between which people read them.
struct TimeAxis {
  private static let mostMarks = 10.0

  let start: Int64
  let end: Int64
  let left: Double
  let width: Double

  /// - Parameter span: nanoseconds; one that is empty is drawn as a microsecond.
  init(span: Range<Int64>, left: Double, width: Double) {
    start = span.lowerBound
    end = max(span.upperBound, span.lowerBound + 1_000)
    self.left = left
    self.width = width
  }

  var right: Double { left + width }

  func x(_ time: Int64) -> Double { left + width * Double(time - start) / Double(end - start) }

  struct Mark {
    let x: Double
    let label: String
  }

  /// At 1, 2 or 5 times a power of ten of milliseconds, from the start on.
  var marks: [Mark] {
    let milliseconds = Double(end - start) / 1e6
    let power = pow(10, (log10(milliseconds / Self.mostMarks)).rounded(.down))
    let step = [1.0, 2, 5, 10].map { $0 * power }.first { milliseconds / $0 <= Self.mostMarks } ?? milliseconds
    let decimals = max(0, -Int(log10(step * 1.001).rounded(.down)))
    return (0...Int(milliseconds / step)).map { number in
      let time = Double(number) * step
      return Mark(x: left + width * time / milliseconds, label: String(format: "%.\(decimals)f", time))
    }
  }
}
