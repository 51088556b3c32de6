namespace Vireo.Tests.Core.Queues;

public sealed class PagedPackedRingLawTests : RingLawTests
{
    private protected override bool IsPacked => true;

    private protected override bool IsPaged => true;

    private protected override IReadOnlyList<ushort> Sizes => [3, 256, 1000];
}
