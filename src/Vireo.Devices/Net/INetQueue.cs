namespace Vireo.Devices.Net;

/// <summary>A queue of a network device as its port sees it.</summary>
public interface INetQueue
{
    /// <summary>Which of the home's loops the queue runs on: the port's side of it has to run there, too.</summary>
    int LoopIndex { get; }

    /// <summary>Lets the queue have a turn soon: there is room again, or frames have come. On the queue's loop.</summary>
    void Wake();
}
