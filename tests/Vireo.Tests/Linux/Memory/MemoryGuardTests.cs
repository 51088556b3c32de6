using Vireo.Linux.Events;
using Vireo.Linux.Memory;

namespace Vireo.Tests.Linux.Memory;

public sealed class MemoryGuardTests
{
    private const int Page = 4096;

    [Fact]
    public void Touch_PageThatIsGone_ReadsZerosAndRaisesTheAlarm()
    {
        using var file = MemoryFile.Create("guarded", 4 * Page);
        using var mapping = MemoryMapping.Map(file.Handle, 0, 4 * Page, MappingAccess.ReadWrite);
        using var alarm = EventFd.Create();
        using var guard = MemoryGuard.Protect(mapping, Page, alarm);
        Span<byte> bytes = mapping.GetSpan(0, 4 * Page);
        bytes.Fill(0xee);

        file.Resize(Page);

        Assert.Equal(0xee, bytes[0]);
        Assert.False(guard.IsCut);
        Assert.Equal(0, bytes[Page]);
        Assert.True(guard.IsCut);
        Assert.True(alarm.TryDrain());
        bytes[(3 * Page) + 17] = 5;
        Assert.Equal(5, bytes[(3 * Page) + 17]);
        Assert.True(alarm.TryDrain());
    }

    [Fact]
    public void Touch_FromManyThreads_AllGoOn()
    {
        const int Pages = 256;
        using var file = MemoryFile.Create("guarded", Pages * Page);
        using var mapping = MemoryMapping.Map(file.Handle, 0, Pages * Page, MappingAccess.ReadWrite);
        using var alarm = EventFd.Create();
        using var guard = MemoryGuard.Protect(mapping, Page, alarm);
        file.Resize(0);

        List<Thread> threads =
        [
            .. Enumerable
                .Range(0, 4)
                .Select(first => new Thread(() =>
                {
                    for (int page = first; page < Pages; page += 2)
                    {
                        mapping.GetSpan((nuint)(page * Page), Page).Fill(1);
                    }
                })),
        ];
        threads.ForEach(static thread => thread.Start());
        threads.ForEach(static thread => thread.Join());

        Assert.True(guard.IsCut);
    }

    [Fact]
    public void Guards_ComingAndGoing_UseTheirPlacesAgain()
    {
        using var file = MemoryFile.Create("guarded", Page);
        using var mapping = MemoryMapping.Map(file.Handle, 0, Page, MappingAccess.ReadWrite);
        using var alarm = EventFd.Create();
        for (int round = 0; round < 20_000; round++)
        {
            MemoryGuard.Protect(mapping, Page, alarm).Dispose();
        }
    }

    [Fact]
    public void Protect_MemoryNotAtAPage_GuardsTheWholePages()
    {
        using var file = MemoryFile.Create("guarded", 2 * Page);
        using var mapping = MemoryMapping.Map(file.Handle, 100, Page, MappingAccess.ReadWrite);
        using var alarm = EventFd.Create();
        using var guard = MemoryGuard.Protect(mapping, Page, alarm);

        file.Resize(0);

        Assert.Equal(0, mapping.GetSpan(0, Page)[0]);
        Assert.Equal(0, mapping.GetSpan(0, Page)[Page - 1]);
    }
}
