namespace Vireo.Tests.Core.Queues;

public sealed class SplitRingLawTests : RingLawTests
{
    private protected override bool IsPacked => false;

    private protected override IReadOnlyList<ushort> Sizes => [1, 2, 256, 32768];
}
