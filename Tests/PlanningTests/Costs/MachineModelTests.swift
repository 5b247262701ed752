import Planning
import Testing
import Topology

@Suite("What a machine can do")
struct MachineModelTests {
  private let machine = MachineModel(
    sameHost: LinkCost(latencySeconds: 1e-6, bytesPerSecond: 8e9),
    otherHost: LinkCost(latencySeconds: 3e-5, bytesPerSecond: 1.25e8),
    matmul: MatmulRate(points: [.init(rows: 16, flopsPerSecond: 1e11), .init(rows: 64, flopsPerSecond: 2e11)]),
    copyBytesPerSecond: 1e10)

  @Test func aMessageTakesLatencyAndItsBytes() {
    #expect(machine.otherHost.seconds(bytes: 125_000) == 3e-5 + 1e-3)
  }

  @Test func ratesAreInterpolatedByTheTimeOfARow() {
    #expect(machine.matmul.flopsPerSecond(rows: 1) == 1e11)
    #expect(machine.matmul.flopsPerSecond(rows: 16) == 1e11)
    #expect(machine.matmul.flopsPerSecond(rows: 1000) == 2e11)
    // Half way on the logarithm's scale: the mean of 1/1e11 and 1/2e11.
    #expect(abs(machine.matmul.flopsPerSecond(rows: 32) - 1 / (0.5 / 1e11 + 0.5 / 2e11)) < 1)
    #expect(machine.matmul.highest == 2e11)
  }

  @Test func theBestRateIsThatOfAnyFewerRows() {
    let dipping = MatmulRate(points: [
      .init(rows: 16, flopsPerSecond: 1e11), .init(rows: 32, flopsPerSecond: 3e11),
      .init(rows: 64, flopsPerSecond: 2e11),
    ])
    #expect(dipping.bestFlopsPerSecond(upTo: 16) == 1e11)
    #expect(dipping.bestFlopsPerSecond(upTo: 100) == 3e11)
  }

  @Test("a usual machine has no defect") func noDefect() { #expect(machine.defect == nil) }

  @Test("numbers that no machine has are found", arguments: [-1, 0, .nan, .infinity, -.infinity, 1e300, 1e-300])
  func defects(value: Double) {
    var links = machine
    links.sameHost.bytesPerSecond = value
    #expect(links.defect != nil)
    links = machine
    links.otherHost.bytesPerSecond = value
    #expect(links.defect != nil)
    var copies = machine
    copies.copyBytesPerSecond = value
    #expect(copies.defect != nil)
    var products = machine
    products.matmul = MatmulRate(points: [.init(rows: 1, flopsPerSecond: value)])
    #expect(products.defect != nil)
  }

  @Test("a rank alone is not slower than among others", arguments: [0.99, 0, -1, .nan, .infinity])
  func soloDefects(value: Double) {
    var changed = machine
    changed.soloSpeedup = value
    #expect(changed.defect != nil)
  }

  @Test func coresAreShared() {
    var shared = machine
    #expect(shared.makespan([]) == 0 && shared.makespan([1, 3]) == 3)
    shared.soloSpeedup = 2
    // Two ranks on one core: as long as both together, or as the longer one alone.
    #expect(shared.makespan([1, 3]) == 2 && shared.makespan([3, 3]) == 3 && shared.makespan([0, 4]) == 2)
  }

  @Test("latencies may be 0, not below", arguments: [-1e-9, .nan, 11])
  func latencyDefects(value: Double) {
    for path in [
      \MachineModel.sameHost.latencySeconds, \.otherHost.latencySeconds, \.otherHost.messageSeconds,
      \.otherHost.byteSeconds,
    ] {
      var changed = machine
      changed[keyPath: path] = 0
      #expect(changed.defect == nil)
      changed[keyPath: path] = value
      #expect(changed.defect != nil)
    }
  }

  @Test func measurementsAreTheMedianOfAHostAndTheSlowestHost() {
    let measured = [5.0, 1, 4, 3, 2].map {
      RateMeasurement(flopsPerSecond: [$0, 10 * $0], copyBytesPerSecond: 100 * $0)
    }
    // Hosts of ranks 0–2 (medians 4) and 3–4 (lower middle 2).
    let hosts = HostMap(names: [0, 0, 0, 1, 1])
    #expect(
      RateMeasurement(agreeing: measured, hosts: hosts)
        == RateMeasurement(flopsPerSecond: [2, 20], copyBytesPerSecond: 200))
  }

  @Test func theRooflineIsFasterMoEs() {
    let low = Roofline(peak: 100, computeSeconds: 1, exchangeSeconds: 4)
    #expect(low.ratio == 0.25 && low.ideal == 25 && low.semiIdeal == 20)
    let high = Roofline(peak: 100, computeSeconds: 3, exchangeSeconds: 1)
    #expect(high.ideal == 100 && high.semiIdeal == 75)
    let alone = Roofline(peak: 100, computeSeconds: 3, exchangeSeconds: 0)
    #expect(alone.ideal == 100 && alone.semiIdeal == 100)
  }
}
