namespace Vireo.Tests.Core.Queues;

public sealed class PackedRingLawTests : RingLawTests
{
    private protected override bool IsPacked => true;

    private protected override IReadOnlyList<ushort> Sizes => [1, 2, 3, 7, 256, 32767, 32768];
}
